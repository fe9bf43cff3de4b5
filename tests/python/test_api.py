"""The calls of the interface, made by a client that is generated from the .proto files, against the running binary.

Usage: QUOTAD=target/release/quotad QUOTAD_GENERATED=DIR python3 tests/python/test_api.py
"""

import contextlib
import datetime
import os
import pathlib
import sys
import tempfile
import uuid

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))

from quota import Denied, Quota, Unavailable  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from lossy import Lossy  # noqa: E402
from quotad.v1 import quota_pb2, types_pb2  # noqa: E402
from sidecar import Sidecar  # noqa: E402

PLAN = """
organizations:
  default:
    grants: [{kind: contract, credits: 10000}]
    environments: {prod: {allocation: 100}}
    users: {ana: {limit: 1000, type: hard}, bo: {limit: 100, type: hard}}
rate_card:
  receipt: {credits: 32}
  edit: {credits: 1, class: maker}
"""

MAX = 2**53 - 1

SIDECAR = None  # the running one; main starts it


def subject(**names):
    return types_pb2.Subject(**names)


def credits(amount):
    return types_pb2.Cost(credits=amount)


@contextlib.contextmanager
def lossy_client(**options):
    """A client that talks to the sidecar through something that can lose answers."""
    with Lossy(SIDECAR.socket) as lossy:
        client = Quota(f"unix:{lossy.path}", timeout=20, **options)
        yield lossy, client
        client.close()


def fails(call, code, field=None):
    """The call fails with this code, and names this field."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}: {error.details()}"
        if field is not None:
            fields = [violation.field for violation in bad_request(error).field_violations]
            assert field in fields, f"{field} is not among {fields}"
        return error
    raise AssertionError(f"expected {code}, came an answer")


def details(error, kind):
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                found = kind()
                if detail.Unpack(found):
                    yield found


def bad_request(error):
    return next(details(error, error_details_pb2.BadRequest))


def reserve_and_commit(quota):
    with quota.reserve(user="u", credits=70) as hold:
        assert hold.granted == 70
        answer = hold.commit(45)
    assert (answer.committed, answer.returned, answer.overrun, answer.late) == (45, 25, 0, False)


def leaving_without_commit_releases(quota):
    before = quota.balance(user="r").user.used
    with quota.reserve(user="r", credits=10) as hold:
        assert quota.balance(user="r").user.held == 10
    balance = quota.balance(user="r").user
    assert (balance.used, balance.held) == (before, 0)
    fails(lambda: quota.stub.Commit(quota_pb2.CommitRequest(reservation_id=hold.id, amount=1)),
          grpc.StatusCode.FAILED_PRECONDITION)


def a_commit_in_quantities_has_the_rate_of_the_reservation(quota):
    with quota.reserve(user="q", operation="receipt", quantity=10) as hold:
        assert hold.granted == 320
        assert hold.commit(quantity=3).committed == 96


def extend_adds_credits_once_and_time(quota):
    hold = quota.reserve(user="e", credits=10, ttl=30)
    request = quota_pb2.ExtendRequest(reservation_id=hold.id, additional=15, request_id=uuid.uuid4().bytes)
    for _ in range(2):
        assert quota.stub.Extend(request).reservation.granted == 25
    hold.release()


def the_same_request_is_done_once(quota):
    request = quota_pb2.ChargeRequest(subject=subject(user="o"), cost=credits(5), request_id=uuid.uuid4().bytes)
    for _ in range(3):
        assert quota.stub.Charge(request).committed == 5
    assert quota.balance(user="o").user.used == 5
    request.cost.credits = 6
    fails(lambda: quota.stub.Charge(request), grpc.StatusCode.INVALID_ARGUMENT)


def every_request_has_a_uuidv7_of_its_own(quota):
    with quota.reserve(user="i", credits=1) as one, quota.reserve(user="i", credits=1) as other:
        assert one.id != other.id
        assert [len(one.id), one.id[6] >> 4, one.id[8] >> 6] == [16, 7, 2], one.id.hex()


def a_denial_carries_its_figures(quota):
    quota.charge(user="ana", credits=700)
    with quota.reserve(user="ana", credits=100):
        try:
            quota.charge(user="ana", credits=201)
        except Denied as caught:
            denied = caught
        else:
            raise AssertionError("201 of 200 were granted")
    assert (denied.reason, denied.account) == ("QUOTA_EXCEEDED", "users/ana")
    figures = (denied.limit, denied.used, denied.held, denied.available, denied.requested)
    assert figures == (1000, 700, 100, 200, 201), figures
    assert denied.reset > datetime.datetime.now(datetime.timezone.utc)
    assert "ana" in str(denied)
    request = quota_pb2.ChargeRequest(subject=subject(user="ana"), cost=credits(301))
    error = fails(lambda: quota.stub.Charge(request), grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert len(list(details(error, error_details_pb2.ErrorInfo))) == 1
    assert len(list(details(error, error_details_pb2.QuotaFailure))) == 1
    assert not list(details(error, error_details_pb2.RetryInfo)), "an exhausted cycle is not worth retrying"


def a_standing_warns_from_80_percent_on(quota):
    assert quota.charge(user="bo", credits=79).standing.state == types_pb2.STATE_OK
    standing = quota.charge(user="bo", credits=1).standing
    assert standing.state == types_pb2.STATE_WARNING
    assert (standing.used, standing.limit, standing.available) == (80, 100, 20)
    assert quota.charge(user="bo", credits=20).standing.state == types_pb2.STATE_BLOCKED


def check_never_fails_because_of_quota(quota):
    answer = quota.check(environment="prod", credits=101)
    assert not answer.decision.allowed
    assert answer.decision.denial.available == 100
    assert quota.check(environment="prod", credits=100).decision.granted == 100
    assert quota.balance(environment="prod").environment.used == 0


def a_balance_has_three_views(quota):
    answer = quota.balance(user="ana", environment="prod")
    assert [answer.user.account, answer.environment.account, answer.organization.account] == \
        ["users/ana", "environments/prod", "organization"]
    assert answer.user.text.endswith("credits used (70%)"), answer.user.text
    assert answer.organization.entitlement == 10_000
    assert answer.organization.used <= answer.organization.entitlement


def a_batch_answers_each_operation(quota):
    operations = [
        quota_pb2.Operation(charge=quota_pb2.ChargeRequest(subject=subject(user="b"), cost=credits(7))),
        quota_pb2.Operation(charge=quota_pb2.ChargeRequest(subject=subject(environment="prod"), cost=credits(101))),
        quota_pb2.Operation(release=quota_pb2.ReleaseRequest(reservation_id=bytes(16))),
        quota_pb2.Operation(check=quota_pb2.CheckRequest(subject=subject(user="b"), cost=credits(1))),
    ]
    outcomes = quota.stub.Batch(quota_pb2.BatchRequest(operations=operations)).outcomes
    kinds = [outcome.WhichOneof("result") for outcome in outcomes]
    assert kinds == ["charge", "denial", "failure", "check"], kinds
    assert outcomes[2].failure.code == grpc.StatusCode.NOT_FOUND.value[0]
    for count in (0, 1_001):
        request = quota_pb2.BatchRequest(operations=[operations[3]] * count)
        fails(lambda: quota.stub.Batch(request), grpc.StatusCode.INVALID_ARGUMENT, "operations")


def a_stream_answers_in_order(quota):
    one = quota_pb2.Operation(charge=quota_pb2.ChargeRequest(subject=subject(user="s"), cost=credits(1)))
    requests = (quota_pb2.StreamRequest(tag=tag, operations=[one] * 3) for tag in range(100))
    answers = list(quota.stub.Stream(requests))
    assert [answer.tag for answer in answers] == list(range(100))
    assert all(len(answer.outcomes) == 3 for answer in answers)
    assert quota.balance(user="s").user.used == 300


def bad_input_names_the_field(quota):
    def charge(**fields):
        return lambda: quota.stub.Charge(quota_pb2.ChargeRequest(**fields))

    for call, field in [
        (charge(), "cost"),
        (charge(cost=credits(MAX + 1)), "cost.credits"),
        (charge(cost=types_pb2.Cost(usage=types_pb2.Usage(operation="none", quantity=1))), "cost.usage.operation"),
        (charge(cost=credits(1), subject=subject(user="x" * 129)), "subject.user"),
        (charge(cost=credits(1), subject=subject(environment="a\nb")), "subject.environment"),
        (charge(cost=credits(1), subject=subject(user=" a")), "subject.user"),
        (charge(cost=credits(1), request_id=b"short"), "request_id"),
        (lambda: quota.stub.Commit(quota_pb2.CommitRequest(amount=1)), "reservation_id"),
        (lambda: quota.stub.Reserve(quota_pb2.ReserveRequest(cost=credits(1), min_amount=2)), "min_amount"),
        (lambda: quota.reserve(credits=1, ttl=3_601), "ttl"),
        (lambda: quota.reserve(credits=1, ttl=0), "ttl"),
    ]:
        fails(call, grpc.StatusCode.INVALID_ARGUMENT, field)
    commit = quota_pb2.CommitRequest(reservation_id=uuid.uuid4().bytes, amount=1)
    fails(lambda: quota.stub.Commit(commit), grpc.StatusCode.NOT_FOUND)
    fails(charge(cost=credits(1), subject=subject(organization="nobody")), grpc.StatusCode.NOT_FOUND)
    assert quota.stub.Charge(quota_pb2.ChargeRequest(cost=credits(0))).committed == 0


def a_lost_answer_is_asked_for_again_and_booked_once(quota):
    with lossy_client(on_unavailable="deny") as (lossy, client):
        lossy.lose = 2
        assert client.charge(user="l", credits=5).committed == 5
        assert (lossy.lose, lossy.requests) == (0, 3)
        lossy.lose = 1
        with client.reserve(user="l", credits=10) as hold:
            lossy.lose = 1
            assert hold.commit(7).committed == 7
    balance = quota.balance(user="l").user
    assert (balance.used, balance.held) == (12, 0)


def only_unavailable_is_tried_again_and_not_for_ever(quota):
    with lossy_client(on_unavailable="deny") as (lossy, client):
        lossy.lose = 100
        try:
            client.charge(user="m", credits=3)
        except Unavailable:
            pass
        else:
            raise AssertionError("a charge without an answer went through")
        assert lossy.requests == 4, lossy.requests
        lossy.lose = lossy.requests = 0
        try:
            client.charge(environment="prod", credits=101)
        except Denied:
            pass
        fails(lambda: client.charge(user="m", credits=MAX + 1), grpc.StatusCode.INVALID_ARGUMENT)
        assert lossy.requests == 2, lossy.requests
    assert quota.balance(user="m").user.used == 3


def without_a_sidecar_the_client_does_as_it_was_told(_quota):
    nobody = "127.0.0.1:1"
    with Quota(nobody, on_unavailable="allow", timeout=0.3).reserve(user="u", credits=1) as hold:
        assert hold.granted == 0 and hold.commit(1) is None
    try:
        Quota(nobody, on_unavailable="deny", timeout=0.3).charge(user="u", credits=1)
    except Unavailable:
        return
    raise AssertionError("a charge without a sidecar went through")


def a_commit_that_found_nobody_can_be_made_again(quota):
    with quota.reserve(user="k", credits=50) as hold:
        SIDECAR.kill()
        try:
            hold.commit(30)
        except Unavailable:
            pass
        else:
            raise AssertionError("a commit without a sidecar went through")
        SIDECAR.start()
    assert quota.balance(user="k").user.held == 50, "leaving has released what may be booked"
    assert hold.commit(30).committed == 30
    balance = quota.balance(user="k").user
    assert (balance.used, balance.held) == (30, 0)


CASES = [
    reserve_and_commit,
    leaving_without_commit_releases,
    a_commit_in_quantities_has_the_rate_of_the_reservation,
    extend_adds_credits_once_and_time,
    the_same_request_is_done_once,
    every_request_has_a_uuidv7_of_its_own,
    a_denial_carries_its_figures,
    a_standing_warns_from_80_percent_on,
    check_never_fails_because_of_quota,
    a_balance_has_three_views,
    a_batch_answers_each_operation,
    a_stream_answers_in_order,
    bad_input_names_the_field,
    a_lost_answer_is_asked_for_again_and_booked_once,
    only_unavailable_is_tried_again_and_not_for_ever,
    without_a_sidecar_the_client_does_as_it_was_told,
    a_commit_that_found_nobody_can_be_made_again,
]


def run_cases(quota):
    failed = 0
    for case in CASES:
        try:
            case(quota)
            print(f"ok    {case.__name__}")
        except Exception as error:  # one case must not hide the others
            failed += 1
            print(f"FAIL  {case.__name__}: {type(error).__name__}: {error}")
    return failed


def main():
    global SIDECAR
    binary = os.environ.get("QUOTAD", str(ROOT / "target" / "release" / "quotad"))
    with tempfile.TemporaryDirectory() as folder:
        SIDECAR = Sidecar(binary, pathlib.Path(folder), PLAN)
        SIDECAR.start()
        try:
            quota = Quota(SIDECAR.address, on_unavailable="deny", timeout=20)
            failed = run_cases(quota)
            quota.close()
        finally:
            problem = SIDECAR.stop()
        if problem:
            failed += 1
            print(f"FAIL  SIGTERM: {problem}")
    print(f"{len(CASES) + 1 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
