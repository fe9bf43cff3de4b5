"""The running binary under a test: one data directory and one Unix socket in a folder, however often it is started."""

import signal
import subprocess
import time


class Sidecar:
    def __init__(self, binary, folder, plan):
        (folder / "plan.yaml").write_text(plan)
        self.socket = folder / "quotad.sock"
        self.address = f"unix:{self.socket}"
        self._log = folder / "log"
        self._binary = binary
        self._command = [
            binary, "--plan", str(folder / "plan.yaml"), "--socket", str(self.socket), "--listen", "none",
            "--probes-listen", "none", "--management-listen", "none", "--data-dir", str(folder / "data")]
        self._process = None

    def start(self):
        """Starts it, and waits until it answers."""
        with open(self._log, "a") as log:
            self._process = subprocess.Popen(self._command, stderr=log, stdout=log)
        waited = subprocess.run([self._binary, "wait", "--probes", self.address, "--timeout", "20s"], check=False)
        if waited.returncode != 0:
            self.kill()
            raise RuntimeError(f"no answer within 20 s:\n{self._log.read_text()[-2_000:]}")

    def kill(self):
        """Ends it at once, as kill -9 does."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Ends it as Kubernetes does; tells what was wrong with that, if anything."""
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout=20)
        took = time.monotonic() - started
        if code == 0 and took <= 6:
            return None
        return f"exit code {code} after {took:.1f} s\n{self._log.read_text()[-2_000:]}"
