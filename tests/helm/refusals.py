"""Wrong values, and what is said of each."""

# chart, what is set, words of the refusal. `~` stands for a values file with a plan: without it none is given.

REFUSALS = [
    # What would multiply quota.
    ("quotad", "~,replicas=2", "replicas: 2 pods would give out the whole quota each, for there is no shared ledger; set it to 1"),
    ("quotad", "~,autoscaling.enabled=true", "autoscaling: each pod that it adds would give out the whole quota again"),
    ("quotad", "~,strategy.type=RollingUpdate", "strategy: a surge starts the new pod beside the old one"),
    ("quotad", "~,strategy.rollingUpdate.maxSurge=1", "strategy: a surge starts the new pod beside the old one"),
    ("example-app", "~,replicas=3", "replicas: 3 pods would give out the whole quota each"),
    ("deployment", "~,pods=2", "replicas: 2 pods would give out the whole quota each"),
    ("deployment", "~,scale.enabled=true", "autoscaling: each pod that it adds"),
    ("deployment", "~,rollout=null", "strategy: a surge starts the new pod beside the old one"),
    ("deployment", "~,rollout.type=RollingUpdate", "strategy: a surge starts the new pod beside the old one"),
    ("deployment", "~,kind=DaemonSet", "kind: a DaemonSet has a pod on each node, and each would give out the whole quota"),
    ("deployment", "~,kind=,rollout=null", "the chart must know whether a rollout starts the new pod beside the old one"),
    # What would reset it.
    ("quotad", "~,quotad.persistence.kind=emptyDir", "an emptyDir is lost with its pod, and then everybody has the whole quota again"),
    ("example-app", "~,quotad.persistence.kind=emptyDir", "quotad.acceptResetOnReplace: true says that it is meant"),
    ("deployment", "~,quotad.persistence.kind=claimTemplate,quotad.persistence.existingClaim=", "a Deployment has no claim templates"),
    ("quotad", "~,quotad.persistence.kind=existingClaim", "quotad.persistence.existingClaim: is empty; name the claim"),
    ("quotad", "~,quotad.persistence.existingClaim=books", "is not used while quotad.persistence.kind is claimTemplate"),
    ("quotad", "~,quotad.persistence.accessMode=ReadWriteMany", "value must be one of 'ReadWriteOnce', 'ReadWriteOncePod'"),
    # Where the plan comes from.
    ("quotad", "replicas=1", "quotad.plan: is empty; say what was bought"),
    ("quotad", "~,quotad.existingConfigMap=mine", "has a plan.yaml of its own; give one of them"),
    # Secrets stay secret.
    ("quotad", "~,quotad.settings.notifications.sinks[0].webhook.url=https://h,quotad.settings.notifications.sinks[0].webhook.secret=whsec_x", "sinks[0].webhook.secret: would stand in a ConfigMap, which many may read"),
    ("quotad", "~,quotad.settings.notifications.sinks[0].email.smtp=smtp://m,quotad.settings.notifications.sinks[0].email.from=a@b.c,quotad.settings.notifications.sinks[0].email.to={a@b.c},quotad.settings.notifications.sinks[0].email.password=p", "sinks[0].email.password: would stand in a ConfigMap"),
    ("quotad", "~,quotad.settings.notifications.sinks[0].webhook.url=https://h,quotad.settings.notifications.sinks[0].webhook.secret_file=/tmp/key", "/tmp/key is no file of the container; put it into quotad.existingSecret"),
    ("quotad", "~,quotad.settings.notifications.sinks[0].webhook.url=https://h,quotad.settings.notifications.sinks[0].webhook.secret_file=/etc/quotad/secrets/key", "there is no quotad.existingSecret that holds it; name one"),
    ("quotad", "~,quotad.existingSecret=s,quotad.settings.notifications.sinks[0].webhook.url=https://h,quotad.settings.notifications.sinks[0].webhook.secret_file=/etc/quotad/secrets/key", "networkPolicy.egress: the policy lets nothing out"),
    ("quotad", "~,quotad.management.expose=true", "name the Secret of the tokens in quotad.management.tokensSecret"),
    # Who may call.
    ("quotad", "~,quotad.dataPlane.expose=false", "a shared instance that no other pod reaches serves nobody"),
    ("quotad", "~,quotad.dataPlane.socket.enabled=true", "quotad.dataPlane.socket: other pods cannot use it"),
    ("quotad", "~,quotad.management.enabled=false,quotad.management.expose=true,quotad.management.tokensSecret=t", "there is no management listener"),
    ("quotad", "~,quotad.probes.port=7450", "two of dataPlane.port, management.port and probes.port are the same"),
    ("quotad", "~,quotad.probes.port=80", "at '/probes/port': minimum: got 80, want 1,024"),
    ("quotad", "~,networkPolicy.clients=null", "networkPolicy.clients: an empty list would let in everybody"),
    ("example-app", "~,quotad.dataPlane.tcp=false", "nobody could call, for there is neither TCP nor a socket"),
    ("example-app", "~,quotad.dataPlane.tcp=false,quotad.dataPlane.expose=true,quotad.dataPlane.socket.enabled=true", "other pods cannot use a socket"),
    # How it runs.
    ("quotad", "~,quotad.runAs.user=0", "at '/runAs/user': minimum: got 0, want 1"),
    ("quotad", "~,quotad.drainTimeout=soon", 'quotad.drainTimeout: "soon" is no span of time'),
    ("quotad", "~,quotad.drainTimeout=2h", "quotad.drainTimeout: is longer than 1 h"),
    ("quotad", "~,quotad.drainTimeout=60s,terminationGracePeriodSeconds=60", "terminationGracePeriodSeconds: the drain alone may take 60 s"),
    ("quotad", "~,quotad.env[0].name=QUOTAD_DATA_DIR,quotad.env[0].value=/tmp", "quotad.env: QUOTAD_DATA_DIR belongs to the chart"),
    ("quotad", "~,quotad.monitoring.alerts.enabled=true,quotad.monitoring.alerts.without={QuotadUp}", "there is no alert QuotadUp; known are QuotadDown, "),
    # Keys that nobody knows, and values of the wrong kind.
    ("quotad", "~,replicaCount=1", "additional properties 'replicaCount' not allowed"),
    ("quotad", "~,quotad.persistance.size=1Gi", "additional properties 'persistance' not allowed"),
    ("quotad", "~,quotad.settings.data_dir=/tmp", "additional properties 'data_dir' not allowed"),
    ("quotad", "~,quotad.settings.durability=disk", "at '/settings/durability'"),
    ("quotad", "~,quotad.settings.threads=many", "at '/settings/threads'"),
    ("quotad", "~,quotad.persistence.size=lots", "at '/persistence/size'"),
    ("quotad", "~,quotad.image.pullPolicy=Sometimes", "at '/image/pullPolicy'"),
    ("example-app", "~,quotad.management.open=true", "additional properties 'open' not allowed"),
]
