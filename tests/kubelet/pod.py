"""A rendered pod on this machine: its volumes as the kubelet lays them out, its container as the runtime starts it, its probes."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import grpc

HERE = pathlib.Path(__file__).resolve().parent
SERVING = 1


class Volume:
    """A ConfigMap or Secret: a folder of links through `..data`, which is swapped at once."""

    def __init__(self, folder, files, group, mode=0o644):
        self.folder, self.group, self.mode, self.turns = folder, group, mode, 0
        folder.mkdir(parents=True)
        self.publish(files)
        for name in files:
            (folder / name).symlink_to(f"..data/{name}")

    def publish(self, files):
        """What the kubelet does with changed contents: a new folder, a new link, a rename over the old link; then the old folder goes."""
        self.turns += 1
        fresh = self.folder / f"..2026_01_01_00_00_{self.turns:02}.{self.turns}"
        fresh.mkdir(mode=0o755)
        for name, text in files.items():
            (fresh / name).write_text(text)
            (fresh / name).chmod(self.mode)
            own(fresh / name, self.group)
        own(fresh, self.group)
        before = self.folder / "..data"
        old = self.folder / os.readlink(before) if before.is_symlink() else None
        link = self.folder / "..data_tmp"
        link.symlink_to(fresh.name)
        link.rename(before)
        if old:
            shutil.rmtree(old)


def own(path, group):
    """Volumes belong to root and to the pod's fsGroup."""
    if os.geteuid() == 0:
        os.chown(path, 0, group)


class Pod:
    def __init__(self, folder, documents, binary, isolated, address, given=None):
        """`given` has the contents of Secrets and ConfigMaps that the chart expects to be there, by name."""
        self.folder, self.binary, self.isolated, self.address = folder, binary, isolated, address
        workload = next(document for document in documents if document["kind"] in ("StatefulSet", "Deployment"))
        self.spec = workload["spec"]["template"]["spec"]
        containers = self.spec.get("initContainers", []) + self.spec["containers"]
        self.container = next(container for container in containers if container["name"] == "quotad")
        self.group = self.spec["securityContext"]["fsGroup"]
        self.process, self.log = None, folder / "log"
        self.channels = []
        maps = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
        self.sources = {mount["name"]: folder / "volumes" / mount["name"] for mount in self.container["volumeMounts"]}
        whole = {**maps, **(given or {})}
        self.contents = {name: {key: self.here(text) for key, text in data.items()} for name, data in whole.items()}
        self.volumes = {}
        claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])]
        for volume in self.spec["volumes"] + [{"name": name} for name in claims]:
            self.lay_out(volume)

    def here(self, text):
        """Without a root of its own the container finds its mounts where they are on this machine."""
        for mount in self.container["volumeMounts"] if not self.isolated else []:
            text = text.replace(mount["mountPath"], str(self.sources[mount["name"]]))
        return text

    def lay_out(self, volume):
        folder = self.folder / "volumes" / volume["name"]
        source = volume.get("configMap") or volume.get("secret")
        if source:
            contents = self.contents[source.get("name") or source["secretName"]]
            items = source.get("items") or [{"key": key, "path": key} for key in contents]
            files = {item["path"]: contents[item["key"]] for item in items}
            # With an fsGroup the group may read what the owner may.
            mode = source.get("defaultMode", 0o644)
            self.volumes[volume["name"]] = Volume(folder, files, self.group, mode)
            return
        # A claim, or an emptyDir: the group may write, and what is made there belongs to it.
        folder.mkdir(parents=True)
        own(folder, self.group)
        folder.chmod(0o2775 if volume.keys() == {"name"} or "persistentVolumeClaim" in volume else 0o2777)

    def argument(self, flag):
        for argument in self.container["args"]:
            if argument.startswith(f"{flag}="):
                return argument.partition("=")[2]
        return None

    def start(self):
        """Starts the container, on the volumes as they are."""
        context = self.container["securityContext"]
        root = self.folder / "root"
        if not root.exists():
            self.make_root(root)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOSTNAME": "shop-0", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
        for variable in self.container["env"]:
            key = variable.get("valueFrom", {}).get("secretKeyRef")
            environment[variable["name"]] = self.contents[key["name"]][key["key"]] if key else variable.get("value", "")
        mounts = [
            {"source": str(self.sources[mount["name"]]), "target": mount["mountPath"], "read_only": mount.get("readOnly", False)}
            for mount in self.container["volumeMounts"]
        ]
        arguments = [self.here(argument) for argument in self.container["args"]]
        mounts.append({"source": str(self.cgroup()), "target": "/sys/fs/cgroup", "read_only": True})
        command = self.container.get("command") or ["/usr/local/bin/quotad" if self.isolated else str(self.binary)]
        spec = {
            "isolated": self.isolated,
            "root": str(root),
            "mounts": mounts,
            "read_only_root": context["readOnlyRootFilesystem"],
            "user": context["runAsUser"],
            "group": context["runAsGroup"],
            "groups": [self.group],
            "command": command + arguments,
            "environment": environment,
        }
        path = self.folder / "container.json"
        path.write_text(json.dumps(spec))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "container.py", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )

    def make_root(self, root):
        """An image with nothing but the binary, the libraries that it names, and the certificates of authorities, as distroless has them."""
        for folder in ("usr/local/bin", "proc", "sys/fs/cgroup", "dev"):
            (root / folder).mkdir(parents=True)
        for mount in self.container["volumeMounts"]:
            (root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)
        for device in ("null", "urandom"):
            (root / "dev" / device).touch()
        shutil.copy(self.binary, root / "usr/local/bin/quotad")
        authorities = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
        if authorities.exists():
            (root / "etc/ssl/certs").mkdir(parents=True)
            shutil.copy(authorities, root / "etc/ssl/certs")
        named = subprocess.run(["ldd", self.binary], stdout=subprocess.PIPE, text=True, check=False).stdout
        for library in re.findall(r"(?:=> )?(/\S+) \(0x", named):
            target = root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)

    def cgroup(self):
        """The memory limit, where the container reads it: it is told, and not enforced."""
        folder = self.folder / "cgroup"
        (folder / "memory").mkdir(parents=True, exist_ok=True)
        number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", self.container["resources"]["limits"]["memory"]).groups()
        limit = int(number) << {"Mi": 20, "Gi": 30}[unit]
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory" / "memory.limit_in_bytes").write_text(f"{limit}\n")
        return folder

    def probe(self, name):
        """Asks as the kubelet does: on the pod's address, by number of port, plain gRPC health with the probe's name. Whether it serves."""
        probe = self.container[name]
        host = f"[{self.address}]" if ":" in self.address else self.address
        with grpc.insecure_channel(f"{host}:{probe['grpc']['port']}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            service = probe["grpc"]["service"].encode()
            try:
                # HealthCheckRequest {string service = 1}; HealthCheckResponse {ServingStatus status = 1}
                answer = check(b"\x0a" + bytes([len(service)]) + service, timeout=probe["timeoutSeconds"])
            except grpc.RpcError as error:
                return f"{error.code().name}: {error.details()}"
        return SERVING if answer == b"\x08\x01" else f"NOT_SERVING ({answer.hex()})"

    def started(self):
        """Probes until the startup probe passes; how many times it was asked. Fails as the kubelet would."""
        probe, last = self.container["startupProbe"], None
        for asked in range(1, probe["failureThreshold"] + 1):
            last = self.probe("startupProbe")
            if last == SERVING:
                return asked
            if self.process.poll() is not None:
                break
            # Asked more often than the kubelet would, for the sake of the tests' time.
            time.sleep(probe["periodSeconds"] * 0.2)
        raise AssertionError(f"the startup probe failed: {last}; exit code {self.process.poll()}\n{self.tail()}")

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    def status(self, key):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return re.search(rf"^{key}:\s*(.*)$", text, re.M)[1].split()

    def writable(self):
        """The mounts of the container that can be written, as its own process sees them."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/mounts").read_text().splitlines()
        fields = [line.split() for line in lines]
        return sorted(field[1] for field in fields if "rw" in field[3].split(",") and not field[1].startswith(("/proc", "/dev")))

    def terminate(self, kill_after=None):
        """SIGTERM; and SIGKILL after so many seconds, or at the end of the grace period. The exit code."""
        self.process.send_signal(signal.SIGTERM)
        grace = self.spec["terminationGracePeriodSeconds"] if kill_after is None else kill_after
        try:
            return self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
