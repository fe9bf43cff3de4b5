"""What must hold in rendered documents beyond what Kubernetes' schemas say."""

import json
import re

import jsonschema
import yaml

from report import ROOT

IDENTITY = 65532


def pods(documents):
    """The pod templates, with their documents."""
    for document in documents:
        if document["kind"] in ("StatefulSet", "Deployment", "DaemonSet"):
            yield document, document["spec"]["template"]


def quotad_container(documents):
    for _, pod in pods(documents):
        for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]:
            if container["name"] == "quotad":
                return container
    return None


def flags_of_serve():
    """The flags that `quotad serve` takes, read where clap reads them."""
    source = (ROOT / "src" / "cli" / "serve.rs").read_text()
    arguments = source[source.index("struct Args") : source.index("/// Runs the command")]
    names = re.findall(r"#\[arg\(\s*long[^\]]*\)\]\s*(\w+):", arguments)
    assert len(names) > 10, "serve.rs is not read right any more"
    return {"--" + name.replace("_", "-") for name in names}


def security(documents):
    """Pod security `restricted`, a read-only root, resources, no token: for each container."""
    for document, pod in pods(documents):
        name = document["metadata"]["name"]
        spec = pod["spec"]
        group = spec.get("securityContext", {})
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name}: the token of the service account is mounted"
        for key in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
            if spec.get(key):
                yield f"{name}: {key}"
        if any("hostPath" in volume for volume in spec.get("volumes", [])):
            yield f"{name}: a hostPath"
        if "fsGroup" not in group:
            yield f"{name}: no fsGroup, so the volume cannot be written"
        for container in spec.get("initContainers", []) + spec["containers"]:
            at = f"{name}/{container['name']}"
            own = container.get("securityContext", {})
            wanted = {"runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False}
            yield from (f"{at}: {key} is not {value}" for key, value in wanted.items() if own.get(key) is not value)
            if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
                yield f"{at}: capabilities"
            if (own.get("seccompProfile") or group.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
                yield f"{at}: seccomp"
            if not own.get("runAsUser"):
                yield f"{at}: no user, or root"
            resources = container.get("resources", {})
            if "memory" not in resources.get("limits", {}) or not {"cpu", "memory"} <= set(resources.get("requests", {})):
                yield f"{at}: resources are not set"


def wiring(documents):
    """Mounts have volumes, ports have names, selectors have pods, nothing is mounted with subPath."""
    for document, pod in pods(documents):
        name = document["metadata"]["name"]
        spec = pod["spec"]
        claims = [claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])]
        volumes = [volume["name"] for volume in spec.get("volumes", [])] + claims
        if len(set(volumes)) != len(volumes):
            yield f"{name}: a volume stands twice"
        mounted, ports = set(), []
        for container in spec.get("initContainers", []) + spec["containers"]:
            for mount in container.get("volumeMounts", []):
                mounted.add(mount["name"])
                if "subPath" in mount or "subPathExpr" in mount:
                    yield f"{name}: {mount['mountPath']} is mounted with subPath, and would never be reloaded"
                if mount["name"] not in volumes:
                    yield f"{name}: there is no volume {mount['name']}"
            ports += [(port["name"], port["containerPort"]) for port in container.get("ports", [])]
        yield from (f"{name}: the volume {volume} is not mounted" for volume in set(volumes) - mounted)
        if len({number for _, number in ports}) != len(ports) or any(len(port) > 15 for port, _ in ports):
            yield f"{name}: ports {ports}"
        labels = pod["metadata"]["labels"]
        if not document["spec"]["selector"]["matchLabels"].items() <= labels.items():
            yield f"{name}: its selector does not select its pods"
        names, numbers = dict(ports), {number for _, number in ports}
        for other in documents:
            yield from dangling(other, labels, names, numbers)


def dangling(document, labels, names, numbers):
    """What a document beside the pod refers to and is not there."""
    spec, kind = document.get("spec", {}), document["kind"]
    selector = {
        "Service": spec.get("selector"),
        "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
        "PodDisruptionBudget": (spec.get("selector") or {}).get("matchLabels") if kind == "PodDisruptionBudget" else None,
        "PodMonitor": (spec.get("selector") or {}).get("matchLabels") if kind == "PodMonitor" else None,
    }.get(kind)
    if kind in ("Service", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor") and not (selector and selector.items() <= labels.items()):
        yield f"{kind}: selects {selector}, which is not the pod"
    if kind == "Service" and spec.get("clusterIP") != "None":
        yield from (f"Service: no port {port['targetPort']}" for port in spec["ports"] if port["targetPort"] not in names)
    if kind == "NetworkPolicy":
        opened = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
        if opened != numbers:
            yield f"NetworkPolicy: opens {sorted(opened)}, and the pod has {sorted(numbers)}"
        if any(not rule.get("from") for rule in spec["ingress"]):
            yield "NetworkPolicy: lets everybody in"
    if kind == "PodMonitor":
        endpoints = spec["podMetricsEndpoints"]
        yield from (f"PodMonitor: no port {endpoint['port']}" for endpoint in endpoints if endpoint["port"] not in names)


def accepted(documents, sidecar):
    """What the container is told is what the binary takes; probes, grace and memory are as they must be."""
    container = quotad_container(documents)
    arguments = container["args"]
    if arguments[0] != "serve":
        yield f"the command is {arguments[0]}"
    known = flags_of_serve()
    for argument in arguments[1:]:
        flag, _, value = argument.partition("=")
        if flag not in known or not value:
            yield f"quotad serve does not take {argument}"
    given = dict(argument.split("=", 1) for argument in arguments[1:])
    listen = given["--probes-listen"]
    for probe, name in (("startupProbe", "startup"), ("readinessProbe", "readiness"), ("livenessProbe", "liveness")):
        ask = container.get(probe, {}).get("grpc", {})
        if ask.get("service") != f"quotad.{name}":
            yield f"{probe} asks {ask}"
        if not listen.endswith(f":{ask.get('port')}") or listen.startswith(("127.", "[::1]")):
            yield f"{probe} asks port {ask.get('port')}, and the probes listen on {listen}"
    if (container.get("restartPolicy") == "Always") is not sidecar:
        yield f"restartPolicy is {container.get('restartPolicy')}"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    for flag in ("--config", "--plan", "--management-tokens-file", "--socket"):
        folder = given.get(flag, "").rpartition("/")[0]
        if folder and folder not in mounts:
            yield f"{flag}: {folder} is not mounted"
    if mounts.get(given["--data-dir"], {"readOnly": True}).get("readOnly"):
        yield "--data-dir: is no volume that can be written"
    for _, pod in pods(documents):
        if pod["spec"]["terminationGracePeriodSeconds"] <= seconds(given["--drain-timeout"]):
            yield "terminationGracePeriodSeconds: the drain alone may take longer"
    variables = [variable["name"] for variable in container["env"]]
    if len(set(variables)) != len(variables):
        yield f"variables {variables}"


def seconds(span):
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h|d)", span))


def configuration(documents):
    """quotad.yaml and plan.yaml are what quotad's own schemas take, hold no secret, and fit the memory."""
    maps = [document for document in documents if document["kind"] == "ConfigMap" and "plan.yaml" in document["data"]]
    for document in maps:
        for key, schema in (("quotad.yaml", "settings"), ("plan.yaml", "plan")):
            whole = json.loads((ROOT / "schemas" / f"{schema}.schema.json").read_text())
            value = yaml.safe_load(document["data"][key]) or {}
            for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
                yield f"{key}: {'.'.join(map(str, error.path))}: {error.message}"
        text = document["data"]["quotad.yaml"]
        if re.search(r"whsec_|^\s*(secret|password): [^$]", text, re.M):
            yield "quotad.yaml: holds a secret"
        yield from memory(yaml.safe_load(text) or {}, quotad_container(documents))


def memory(settings, container):
    """The bounds fit the limit, as src/config/settings/memory.rs reckons."""
    source = (ROOT / "src" / "config" / "settings" / "memory.rs").read_text()
    size = {name.lower(): int(number) for name, number in re.findall(r"const (\w+)_BYTES: u64 = (\d+);", source)}
    base = int(re.search(r"const BASE_BYTES: u64 = (\d+) \* 1024 \* 1024", source)[1]) << 20
    share = int(re.search(r"const SHARE_PERCENT: u64 = (\d+)", source)[1])
    bounds = {"cells": 1_000_000, "holds": 1_000_000, "settled": 1_000_000, "usage_rows": 1_000_000, "labels": 100_000}
    bounds.update(settings.get("bounds", {}))
    words = {"cells": "cell", "holds": "hold", "settled": "settled", "usage_rows": "usage_row", "labels": "label"}
    needed = base + sum(bounds[key] * size[word] for key, word in words.items())
    limit = quantity(container["resources"]["limits"]["memory"])
    if needed > limit / 100 * share:
        yield f"bounds need {needed >> 20} MiB, and {share} % of the limit are {int(limit / 100 * share) >> 20} MiB"


def quantity(text):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()
    return int(number) << {"Mi": 20, "Gi": 30}[unit]
