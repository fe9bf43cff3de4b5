"""A small client for quotad, over the code that generate.sh makes from the .proto files.

    quota = Quota(on_unavailable="deny")
    with quota.reserve(user="ana", credits=500) as hold:
        used = work()
        hold.commit(used)          # leaving without a commit releases
"""

import datetime
import json
import os
import pathlib
import sys
import time

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

GENERATED = os.environ.get("QUOTAD_GENERATED", str(pathlib.Path(__file__).parent / "generated"))
sys.path.insert(0, GENERATED)

from quotad.v1 import quota_pb2, quota_pb2_grpc, types_pb2  # noqa: E402

# Only UNAVAILABLE is worth retrying, and only because every request carries an id of its own: the sidecar answers a
# repeated one without booking it again.
RETRIES = json.dumps({
    "methodConfig": [{
        "name": [{"service": "quotad.v1.QuotaService"}],
        "retryPolicy": {
            "maxAttempts": 4,
            "initialBackoff": "0.05s",
            "maxBackoff": "1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }]
})


# A sidecar that was away is found again within a second; gRPC's own default waits up to two minutes.
RECONNECTS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # how long connecting may take, too
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class Denied(Exception):
    """The rules refuse the credits. The message is a sentence for people; programs read the rest."""

    def __init__(self, message, reason, figures):
        super().__init__(message)
        self.reason = reason                          # QUOTA_EXCEEDED, OVERAGE_BLOCKED, ...
        self.account = figures.get("account", "")     # organization, pool, environments/E, users/U
        # Credits. A RESOURCE_LIMIT, which is the sidecar's own bound, has no figures.
        self.limit, self.used, self.held, self.available, self.requested = (
            int(figures.get(name, 0)) for name in ("limit", "used", "held", "available", "requested"))
        reset = figures.get("reset")                  # when the cycle ends and counters start at zero
        self.reset = datetime.datetime.fromisoformat(reset.replace("Z", "+00:00")) if reset else None


class Unavailable(Exception):
    """No sidecar answered, and the client was told to deny then."""


class Hold:
    """Credits that are kept until commit or release."""

    def __init__(self, quota, reservation):
        self._quota = quota
        self._open = reservation is not None
        self._unsure = False
        self.id = reservation.id if reservation else b""
        self.granted = reservation.granted if reservation else 0

    def commit(self, amount=None, *, quantity=None):
        """Books what was really used: credits, or a quantity of the operation that was reserved.

        If no sidecar answers, the work may be booked or not: leaving does not release then, and the same commit may be
        made again.
        """
        if not self._open:
            return None
        request = quota_pb2.CommitRequest(reservation_id=self.id, amount=amount, quantity=quantity)
        self._unsure = True
        try:
            answer = self._quota._call(self._quota.stub.Commit, request)
        except (grpc.RpcError, Denied):
            self._unsure = False      # refused, so not booked
            raise
        self._open = answer is None
        return answer

    def extend(self, additional=0, *, ttl=None):
        """Holds more credits, or holds them longer (ttl in seconds from now)."""
        if not self._open:
            return None
        request = quota_pb2.ExtendRequest(
            reservation_id=self.id, additional=additional, ttl=_duration(ttl), request_id=new_id())
        answer = self._quota._call(self._quota.stub.Extend, request)
        if answer:
            self.granted = answer.reservation.granted
        return answer

    def release(self):
        """Gives the credits back."""
        if not self._open:
            return None
        self._open = False
        return self._quota._call(self._quota.stub.Release, quota_pb2.ReleaseRequest(reservation_id=self.id))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._open and not self._unsure:
            try:
                self.release()
            except (grpc.RpcError, Unavailable):
                pass  # the reservation expires by itself


class Quota:
    """A channel to the sidecar beside this process.

    on_unavailable says what happens when no sidecar answers: "allow" lets the work go on without credits,
    "deny" raises Unavailable.
    """

    def __init__(self, address="127.0.0.1:7450", *, on_unavailable, timeout=2.0):
        if on_unavailable not in ("allow", "deny"):
            raise ValueError('on_unavailable is "allow" or "deny"')
        self._allow = on_unavailable == "allow"
        self._timeout = timeout
        options = [("grpc.service_config", RETRIES), *RECONNECTS]
        if address.startswith("unix:"):
            # grpcio would send the socket's path as the authority, which is no valid host name: the server's HTTP/2
            # library resets such a stream.
            options.append(("grpc.default_authority", "localhost"))
        self.channel = grpc.insecure_channel(address, options=options)
        self.stub = quota_pb2_grpc.QuotaServiceStub(self.channel)

    def reserve(self, *, credits=None, operation="", quantity=None, min_amount=None, ttl=None, **subject):
        """Keeps credits for work that begins now; subject: organization, environment, user, product, model."""
        request = quota_pb2.ReserveRequest(
            subject=types_pb2.Subject(**subject), cost=_cost(credits, operation, quantity),
            min_amount=min_amount, ttl=_duration(ttl), reservation_id=new_id())
        answer = self._call(self.stub.Reserve, request)
        return Hold(self, answer.reservation if answer else None)

    def charge(self, *, credits=None, operation="", quantity=None, **subject):
        """Reserves and commits in one step."""
        request = quota_pb2.ChargeRequest(
            subject=types_pb2.Subject(**subject), cost=_cost(credits, operation, quantity),
            request_id=new_id())
        return self._call(self.stub.Charge, request)

    def check(self, *, credits=None, operation="", quantity=None, **subject):
        """Tells what reserve would answer; changes nothing."""
        request = quota_pb2.CheckRequest(
            subject=types_pb2.Subject(**subject), cost=_cost(credits, operation, quantity))
        return self._call(self.stub.Check, request)

    def balance(self, **subject):
        """Tells how the user, the environment and the organization stand."""
        return self._call(self.stub.GetBalance, quota_pb2.GetBalanceRequest(subject=types_pb2.Subject(**subject)))

    def close(self):
        self.channel.close()

    def _call(self, method, request):
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            denied = denial(error)
            if denied:
                raise denied from None
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                if self._allow:
                    return None
                raise Unavailable(error.details()) from None
            raise


def new_id():
    """A UUIDv7, 16 bytes. By the time in it the sidecar knows an id that is too old to be remembered, and refuses it."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(3 << 62) | 2 << 62
    return value.to_bytes(16, "big")


def denial(error):
    """The Denied that a gRPC error carries, or None."""
    if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
        return None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == "quotad":
                return Denied(error.details(), info.reason, dict(info.metadata))
    return None


def _cost(credits, operation, quantity):
    if credits is not None:
        return types_pb2.Cost(credits=credits, operation=operation)
    usage = types_pb2.Usage(operation=operation, quantity=1 if quantity is None else quantity)
    return types_pb2.Cost(usage=usage)


def _duration(seconds):
    if seconds is None:
        return None
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1_000_000_000))
    return duration


if __name__ == "__main__":
    quota = Quota(os.environ.get("QUOTAD_ADDRESS", "127.0.0.1:7450"), on_unavailable="deny")
    try:
        while True:
            with quota.reserve(user="ana", credits=300) as hold:
                print(f"held {hold.granted}; committed {hold.commit(250).committed}")
    except Denied as denied:
        print(f"{denied.reason}: {denied}")
