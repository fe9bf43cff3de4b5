#!/usr/bin/env python3
"""Executes rendered containers as the kubelet would, with the binary that QUOTAD names; HELM says where helm is.

Where this process may make namespaces, the pod has a network of its own and each container a read-only root of its own; where it may not,
that is reported as not run, and the rest is run without.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "helm"), str(ROOT / "examples" / "python")]

import namespaces as ns  # noqa: E402
from report import Report, documents, run  # noqa: E402

HELM, QUOTAD, PROMTOOL = (os.environ.get(name, "") for name in ("HELM", "QUOTAD", "PROMTOOL"))
AUTHORITIES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
NO_AUTHORITIES = f"its webhook needs the certificates of authorities, and there is no {AUTHORITIES} here to put into the image"
POD_ADDRESS = "10.77.7.7"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ADMIN = "0123456789abcdef0123456789abcdef"
SECOND = "fedcba9876543210fedcba9876543210"
TOKENS = f"tokens:\n- {{name: ops, role: admin, token: {ADMIN}}}\n"
GIVEN = {
    "quota-tokens": {"tokens.yaml": TOKENS, "production.yaml": TOKENS},
    "quota-hooks": {"webhook.key": SECRET, "mail.password": "word"},
    "second-hook": {"secret": SECRET},
    "quota-ops": {"token": ADMIN},
    "quota-plan": {
        "plan.yaml": "organizations: {default: {grants: [{kind: contract, credits: 1000}]}}\n",
        "quotad.yaml": "threads: 1\nbounds: {cells: 10000, holds: 10000, settled: 10000, usage_rows: 10000, labels: 1000}\n",
    },
}


def plan(limit):
    return f"organizations:\n  default:\n    grants: [{{kind: contract, credits: 1000000}}]\n    users:\n      ana: {{limit: {limit}, type: hard}}\n"


def prepare(report):
    """A network and a view of the mounts of our own; says whether there are."""
    try:
        ns.unshare(ns.CLONE_NEWNS | ns.CLONE_NEWNET)
        ns.mount("none", "/", None, ns.MS_REC | ns.MS_PRIVATE)
        ns.loopback_with(POD_ADDRESS)
        return True
    except OSError as error:
        report.skip("read-only root, mounts at their places, the pod's own address, no capability", f"this process may make no namespaces ({error})")
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Tests:
    def __init__(self, report, folder, isolated):
        self.report, self.folder, self.isolated, self.count = report, folder, isolated, 0
        # Others may already have the usual ports where there is no network of our own.
        self.ports = [] if isolated else [f"--set=quotad.{name}.port={free_port()}" for name in ("dataPlane", "management", "probes")]
        from charts import Charts  # the copy with its dependencies

        self.charts = Charts(folder)
        for chart in self.charts.applications():
            code, output = run(HELM, "dependency", "update", self.charts.folder / chart)
            assert code == 0, output

    def pod(self, chart, values, *more, address=None):
        from pod import Pod

        code, text = self.charts.render(chart, "-f", self.charts.folder / chart / "ci" / f"values-{values}.yaml", *self.ports, *more)
        assert code == 0, text
        self.count += 1
        folder = self.folder / f"pod-{self.count}"
        folder.mkdir()
        # Whoever the container runs as must get through to its volumes.
        for path in (self.folder, folder):
            path.chmod(0o755)
        return Pod(folder, documents(text), QUOTAD, self.isolated, address or (POD_ADDRESS if self.isolated else "127.0.0.1"), GIVEN)

    def application(self, pod):
        """A client as the application beside it has: the address from its own environment. Waits until it is connected."""
        import grpc
        from quota import Quota

        app = next(container for container in pod.spec["containers"] if container["name"] == "app")
        server = next(variable["value"] for variable in app["env"] if variable["name"] == "QUOTAD_SERVER")
        quota = Quota(server.removeprefix("http://"), on_unavailable="deny")
        # After a restart grpc waits about a second before it connects anew.
        grpc.channel_ready_future(quota.channel).result(timeout=30)
        return quota

    def run_pod(self, name, pod, body):
        """Starts the pod, waits for its startup probe, does what `body` says, and leaves nothing running. Whatever goes wrong is a failure."""
        try:
            pod.start()
            body(pod, pod.started())
        except Exception as error:  # the report says what, and the other tests go on
            self.report.check(name, [f"{type(error).__name__}: {error}", pod.tail()])
        finally:
            pod.end()

    def every_scenario_runs(self):
        """Each rendered container starts, passes its three probes, and ends when it is told to."""
        from pod import SERVING

        self.report.section("each rendered container, as the kubelet runs it")
        for chart, values in self.charts.scenarios():
            name = f"{chart}/{values.stem}"
            is_ipv6 = values.stem == "values-ipv6"
            if is_ipv6 and not has_ipv6():
                self.report.skip(name, "no IPv6 here")
                continue

            pod = self.pod(chart, values.stem.removeprefix("values-"), address="::1" if is_ipv6 else None)
            if self.isolated and "webhook:" in str(pod.contents) and not AUTHORITIES.exists():
                self.report.skip(name, NO_AUTHORITIES)
                continue

            def body(pod, _, name=name):
                answers = {probe: pod.probe(probe) for probe in ("readinessProbe", "livenessProbe")}
                problems = [f"{probe}: {answer}" for probe, answer in answers.items() if answer != SERVING]
                code = pod.terminate()
                problems += [f"ended with exit code {code}\n{pod.tail()}"] if code else []
                self.report.check(name, problems)

            self.run_pod(name, pod, body)

    def what_it_runs_as(self, pod):
        if not self.isolated:
            return
        ids = [pod.status(key)[0] for key in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs")]
        self.report.check("runs as 65532 without a capability", [] if ids == ["65532", "65532", "0" * 16, "0" * 16, "1"] else [str(ids)])
        self.report.check("only the books can be written", [] if pod.writable() == ["/var/lib/quotad"] else [str(pod.writable())])
        for port, name, is_open in ((7450, "data plane", False), (7451, "management", False), (7452, "probes", True)):
            with socket.socket() as caller:
                caller.settimeout(2)
                answered = caller.connect_ex((POD_ADDRESS, port)) == 0
            says = "answers" if is_open else "does not answer"
            self.report.check(f"the pod's address {says} on the port of {name}", [] if answered == is_open else [f"answered: {answered}"])

    def plan_swaps(self, pod, quota):
        """A changed ConfigMap reaches the running process; a wrong one does not."""
        from quota import Denied

        config = pod.volumes["quotad-config"]
        settings = pod.contents["shop-quotad"]["quotad.yaml"]
        assert quota.charge(user="ana", credits=900).committed == 900
        denied = []
        try:
            quota.charge(user="ana", credits=200)
        except Denied as error:
            denied.append(error)
        self.report.check("the rendered plan denies", [] if denied else ["900 and 200 of 1,000 were granted"])
        for limit, asked in ((1500, 200), (3000, 1500), (9000, 5000)):
            config.publish({"plan.yaml": plan(limit), "quotad.yaml": settings})
            since = time.monotonic()
            problems = until(lambda asked=asked: quota.charge(user="ana", credits=asked), Denied)
            self.report.check(f"a swapped link applies the plan, after {time.monotonic() - since:.2f} s (turn {config.turns})", problems)
        config.publish({"plan.yaml": plan(9000).replace("limit", "limt"), "quotad.yaml": settings})
        time.sleep(1)
        from pod import SERVING

        answer = pod.probe("readinessProbe")
        problems = [] if answer == SERVING else [f"readiness: {answer}"]
        problems += [] if "limt" in pod.log.read_text() else ["the log does not say so"]
        self.report.check("a wrong plan is refused, and the last good one stays", problems)
        config.publish({"plan.yaml": plan(1_000_000), "quotad.yaml": settings})
        self.report.check("and its correction applies", until(lambda: quota.charge(user="ana", credits=5000), Denied))
        strange = [line for line in pod.log.read_text().splitlines() if '"target":"quotad' not in line]
        self.report.check("nobody but quotad speaks in the log", strange)

    def metrics(self, pod):
        """What alerts and dashboard ask for is on the page that Prometheus reads, of a pod under load; and the page is Prometheus'."""
        import json

        import monitoring

        address = f"http://{pod.address}:{pod.container['livenessProbe']['grpc']['port']}/metrics"
        wanted = set()
        for rule in monitoring.alerts():
            wanted |= set(re.findall(r"\bquotad_\w+", rule["expr"]))
        for _, expression in monitoring.expressions_of_dashboard(json.loads(monitoring.DASHBOARD.read_text())):
            wanted |= set(re.findall(r"\bquotad_\w+", expression))
        missing, page, end = wanted, "", time.monotonic() + 15
        # The audit compares its first organization after a second.
        while missing and time.monotonic() < end:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=5) as answer:
                page = answer.read().decode()
            missing = wanted - set(re.findall(r"^(quotad_\w+)", page, re.M))
            time.sleep(0.2)
        self.report.check(f"the {len(wanted)} metrics of alerts and dashboard are on the page", sorted(missing))
        if not PROMTOOL:
            self.report.skip("the page is as Prometheus wants it", "promtool is not here")
            return
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=page, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.report.check("the page is as Prometheus wants it", [done.stdout] if done.returncode else [])

    def killed(self, pod, kill_after):
        """SIGTERM, and SIGKILL so long after, while an application charges; then a new start on the same volume. What was seen, and what is wrong."""
        from quota import Denied, Unavailable

        before = used(self.application(pod))
        quota, done, tally = self.application(pod), threading.Event(), {"acknowledged": 0, "unknown": 0}

        def charges():
            while not done.is_set():
                try:
                    tally["acknowledged"] += quota.charge(user="ana", credits=1).committed
                except (Unavailable, Denied):
                    tally["unknown"] += 1
                    return

        caller = threading.Thread(target=charges)
        caller.start()
        time.sleep(0.3)
        code = pod.terminate(kill_after)
        done.set()
        caller.join(15)
        quota.close()
        pod.start()
        asked = pod.started()
        kept = used(self.application(pod)) - before
        problems = [] if tally["acknowledged"] <= kept <= sum(tally.values()) else [f"{tally}, and {kept} are in the books"]
        problems += [f"exit code {code}"] if kill_after is None and code else []
        problems += [] if tally["acknowledged"] else ["nothing was charged"]
        return f"{tally['acknowledged']} charges acknowledged, all of them there (exit code {code}, started at probe {asked})", problems

    def kills(self, pod):
        for kill_after in (0, 0.001, 0.005, 0.02, 0.1, None):
            how = "SIGTERM alone" if kill_after is None else f"SIGTERM, {kill_after * 1000:g} ms, SIGKILL"
            seen, problems = self.killed(pod, kill_after)
            self.report.check(f"{how}: {seen}", problems)

    def a_loss_is_seen(self):
        """The checker itself: in the mode `memory` a SIGKILL loses what no snapshot has."""

        def body(pod, _):
            self.report.objects("a kill that loses charges", self.killed(pod, 0)[1], "are in the books")

        self.run_pod("a loss is seen", self.pod("example-app", "memory"), body)

    def sidecar(self):
        self.report.section("the sidecar of example-app: reload, SIGTERM and SIGKILL")

        def body(pod, asked):
            self.report.check(f"the startup probe passes, at the {asked}. time that it is asked", [])
            self.what_it_runs_as(pod)
            self.plan_swaps(pod, self.application(pod))
            self.metrics(pod)
            self.kills(pod)
            code = pod.terminate()
            self.report.check("it ends within the grace period, with exit code 0", [] if code == 0 else [f"{code}: {pod.tail()}"])

        self.run_pod("the sidecar runs", self.pod("example-app", "defaults"), body)

    def what_must_not_start(self):
        """The checker itself: a startup probe that asks for what nobody answers must not pass; nor bounds beyond the memory limit."""
        pod = self.pod("example-app", "defaults")
        pod.container["startupProbe"]["grpc"]["service"] = "quotad.start"
        pod.container["startupProbe"]["failureThreshold"] = 5
        try:
            pod.start()
            self.report.check("a startup probe by an unknown name: the checker objects", [f"it passed, at the {pod.started()}. time"])
        except AssertionError as error:
            self.report.objects("a startup probe by an unknown name", [str(error)], "the startup probe failed")
        finally:
            pod.end()
        if not self.isolated:
            return
        pod = self.pod("example-app", "defaults")
        pod.container["resources"]["limits"]["memory"] = "64Mi"
        try:
            pod.start()
            self.report.check("bounds that do not fit the limit: refused", [f"it started, at the {pod.started()}. probe"])
        except AssertionError as error:
            self.report.objects("bounds that do not fit the limit", [str(error)], "more than 80 % of the memory limit of 64 MiB")
        finally:
            pod.end()

    def shared_socket(self):
        self.report.section("the Unix socket that the application shares")
        if os.geteuid() != 0:
            self.report.skip("who may open the socket", "other users can only be had as root")
            return

        def body(pod, _):
            # The application's container runs as another user; the pod's fsGroup is a group of its own.
            path = pod.sources["quotad-socket"] / "quotad.sock"
            binary = pod.folder / "quotad"
            shutil.copy(QUOTAD, binary)
            binary.chmod(0o755)
            for groups, wanted in (([pod.group], 0), ([], 4)):
                command = [binary, "balance", "--user", "ana", "--server", f"unix:{path}"]
                code, output = run(*command, user=65533, group=65533, extra_groups=groups, cwd="/")
                who = "with the pod's fsGroup" if groups else "without it"
                self.report.check(f"a container {who}: exit code {wanted}", [] if code == wanted else [f"{code}: {output}"])

        self.run_pod("the socket", self.pod("example-app", "socket"), body)

    def tokens(self):
        self.report.section("tokens from a Secret")

        def body(pod, _):
            port = pod.argument("--management-listen").rpartition(":")[2]
            # As `kubectl exec POD -c quotad -- quotad ...` does: with the variables of the container.
            base = {variable["name"]: variable.get("value", "") for variable in pod.container["env"]}

            def sets_a_limit(token):
                environment = {**base, "QUOTAD_MANAGEMENT": f"http://127.0.0.1:{port}"} | ({"QUOTAD_TOKEN": token} if token else {})
                return run(QUOTAD, "limits", "set", "bo", "--credits", "10", "--why", "test", env=environment)

            for token, wanted in (("", 5), (ADMIN, 0)):
                code, output = sets_a_limit(token)
                self.report.check(f"a limit is set {'with' if token else 'without'} a token: exit code {wanted}", [] if code == wanted else [f"{code}: {output}"])
            pod.volumes["quotad-tokens"].publish({"tokens.yaml": TOKENS.replace(ADMIN, SECOND)})
            end = time.monotonic() + 10
            while sets_a_limit(SECOND)[0] and time.monotonic() < end:
                time.sleep(0.05)
            codes = [sets_a_limit(SECOND)[0], sets_a_limit(ADMIN)[0]]
            self.report.check("a swapped link changes the tokens", [] if codes == [0, 5] else [f"exit codes {codes}: {pod.tail()}"])
            mounted = [name for name in (ADMIN, SECOND, SECRET) if name in pod.log.read_text()]
            self.report.check("no secret stands in the log", mounted)

        if self.isolated and not AUTHORITIES.exists():
            self.report.skip("tokens", NO_AUTHORITIES)
            return
        self.run_pod("tokens", self.pod("example-app", "tokens-and-hooks"), body)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
        return True
    except OSError:
        return False


def used(quota):
    try:
        return quota.balance(user="ana").user.used
    finally:
        quota.close()


def until(call, refused, seconds=10):
    """Calls until it is granted; what was wrong if it never is."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            call()
            return []
        except refused as error:
            last = error
            time.sleep(0.02)
    return [f"still denied after {seconds} s: {last}"]


def main():
    report = Report()
    missing = [f"{name} is not given" for name, value in (("helm (HELM)", HELM), ("a binary (QUOTAD)", QUOTAD)) if not value]
    if missing:
        report.section("rendered containers, run as the kubelet would")
        report.skip("rendered containers", "; ".join(missing))
        sys.exit(report.close())
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # Before grpc starts its threads: namespaces are those of a thread.
        report.section("what this machine lets us do")
        isolated = prepare(report)
        if isolated:
            report.check("namespaces: read-only root, mounts at their places, an address of the pod", [])
        report.skip("seccomp RuntimeDefault, the memory limit enforced", "both are the container runtime's; there is none here")
        generated = folder / "generated"
        code, output = run(ROOT / "examples" / "python" / "generate.sh", generated, env=os.environ | {"PYTHON": sys.executable})
        assert code == 0, output
        sys.path.insert(0, str(generated))
        tests = Tests(report, folder, isolated)
        tests.sidecar()
        tests.a_loss_is_seen()
        tests.what_must_not_start()
        tests.shared_socket()
        tests.tokens()
        tests.every_scenario_runs()
    sys.exit(report.close())


if __name__ == "__main__":
    main()
