"""A socket in front of the sidecar that can lose answers: it cuts the connection where a response begins, which is when
the sidecar has done what was asked for."""

import pathlib
import socket
import tempfile
import threading

PREFACE_BYTES = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
HEADERS = 1  # the type of the HTTP/2 frame that begins a request or a response


class Lossy:
    def __init__(self, upstream):
        self.lose = 0          # so many answers are lost from now on
        self.requests = 0      # requests that came
        self._upstream = str(upstream)
        self._folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self._folder.name, "lossy.sock")
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind, error, trace):
        self._listener.close()
        self._folder.cleanup()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._upstream)
            for way in [(near, far, PREFACE_BYTES, self._request), (far, near, 0, self._response)]:
                threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _request(self):
        self.requests += 1
        return True

    def _response(self):
        if self.lose == 0:
            return True
        self.lose -= 1
        return False

    def _pass_on(self, source, sink, preface_bytes, may_pass):
        """Passes whole frames on, until one of HEADERS may not pass or a side closes; then both are closed."""
        stream = source.makefile("rb")
        try:
            sink.sendall(stream.read(preface_bytes))
            while len(head := stream.read(9)) == 9:
                if head[3] == HEADERS and not may_pass():
                    break
                sink.sendall(head + stream.read(int.from_bytes(head[:3], "big")))
        except OSError:
            pass  # a side has closed: this connection is over
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already
