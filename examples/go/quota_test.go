// The same cases as in the other languages, against the running binary: QUOTAD=target/release/quotad go test.
package quota_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/quota"
	pb "example.com/quota/quotadv1"
)

const creditsMax = 1<<53 - 1

var ctx = context.Background()

func client(t *testing.T, address string, onUnavailable quota.OnUnavailable) *quota.Client {
	t.Helper()
	c, err := quota.New(address, onUnavailable)
	if err != nil {
		t.Fatal(err)
	}
	c.Timeout = 20 * time.Second
	t.Cleanup(func() { c.Close() })
	return c
}

func connected(t *testing.T) *quota.Client {
	t.Helper()
	return client(t, "unix:"+running.socket(), quota.Deny)
}

// must is the answer of a call that has to succeed: must(c.Charge(ctx, r))(t).
func must[A any](answer A, err error) func(*testing.T) A {
	return func(t *testing.T) A {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

func equal(t *testing.T, what string, came, expected any) {
	t.Helper()
	if fmt.Sprint(came) != fmt.Sprint(expected) {
		t.Fatalf("%s: came %v, expected %v", what, came, expected)
	}
}

func code(t *testing.T, err error, expected codes.Code) {
	t.Helper()
	equal(t, "code", status.Code(err), expected)
}

func user(t *testing.T, c *quota.Client, name string) *pb.Balance {
	t.Helper()
	return must(c.Balance(ctx, quota.Request{User: name}))(t).GetUser()
}

func usedAndHeld(t *testing.T, c *quota.Client, name string, used, held uint64) {
	t.Helper()
	balance := user(t, c, name)
	equal(t, "used and held of "+name, []uint64{balance.GetUsed(), balance.GetHeld()}, []uint64{used, held})
}

func TestReserveAndCommit(t *testing.T) {
	c := connected(t)
	hold := must(c.Reserve(ctx, quota.Request{User: "u", Credits: 70}))(t)
	defer hold.Release(ctx)
	equal(t, "granted", hold.Granted, 70)
	answer := must(hold.Commit(ctx, 45))(t)
	equal(t, "committed, returned, overrun", []uint64{answer.Committed, answer.Returned, answer.Overrun}, []uint64{45, 25, 0})
	equal(t, "late", answer.Late, false)
}

func TestLeavingWithoutCommitReleases(t *testing.T) {
	c := connected(t)
	var left *quota.Hold
	func() {
		gone, cancel := context.WithCancel(ctx)
		left = must(c.Reserve(gone, quota.Request{User: "r", Credits: 10}))(t)
		defer left.Release(gone)
		usedAndHeld(t, c, "r", 0, 10)
		cancel() // a caller who has given up releases too
	}()
	usedAndHeld(t, c, "r", 0, 0)
	_, err := c.Stub.Commit(ctx, &pb.CommitRequest{ReservationId: left.ID, Actual: &pb.CommitRequest_Amount{Amount: 1}})
	code(t, err, codes.FailedPrecondition)
}

func TestACommitInQuantitiesHasTheRateOfTheReservation(t *testing.T) {
	hold := must(connected(t).Reserve(ctx, quota.Request{User: "q", Operation: "receipt", Quantity: 10}))(t)
	defer hold.Release(ctx)
	equal(t, "granted", hold.Granted, 320)
	equal(t, "committed", must(hold.CommitQuantity(ctx, 3))(t).Committed, 96)
}

func TestExtendAddsCreditsOnceAndTime(t *testing.T) {
	c := connected(t)
	hold := must(c.Reserve(ctx, quota.Request{User: "e", Credits: 10, TTL: 30 * time.Second}))(t)
	defer hold.Release(ctx)
	answer := must(hold.Extend(ctx, 5, time.Minute))(t)
	equal(t, "granted", hold.Granted, 15)
	if left := time.Until(answer.Reservation.ExpireTime.AsTime()); left < 50*time.Second {
		t.Fatalf("the hold ends in %s", left)
	}
	request := &pb.ExtendRequest{ReservationId: hold.ID, Additional: 15, RequestId: bytes.Repeat([]byte{7}, 16)}
	for range 2 {
		equal(t, "granted", must(c.Stub.Extend(ctx, request))(t).Reservation.Granted, 30)
	}
}

func TestTheSameRequestIsDoneOnce(t *testing.T) {
	c := connected(t)
	request := &pb.ChargeRequest{
		Subject: &pb.Subject{User: "o"}, Cost: &pb.Cost{Amount: &pb.Cost_Credits{Credits: 5}},
		RequestId: bytes.Repeat([]byte{9}, 16),
	}
	for range 3 {
		equal(t, "committed", must(c.Stub.Charge(ctx, request))(t).Committed, 5)
	}
	usedAndHeld(t, c, "o", 5, 0)
	request.Cost = &pb.Cost{Amount: &pb.Cost_Credits{Credits: 6}}
	_, err := c.Stub.Charge(ctx, request)
	code(t, err, codes.InvalidArgument)
}

func TestEveryRequestHasAUUIDv7OfItsOwn(t *testing.T) {
	c := connected(t)
	one := must(c.Reserve(ctx, quota.Request{User: "i", Credits: 1}))(t)
	defer one.Release(ctx)
	other := must(c.Reserve(ctx, quota.Request{User: "i", Credits: 1}))(t)
	defer other.Release(ctx)
	equal(t, "the same id", bytes.Equal(one.ID, other.ID), false)
	equal(t, "length, version, variant", []int{len(one.ID), int(one.ID[6] >> 4), int(one.ID[8] >> 6)}, []int{16, 7, 2})
}

func TestADenialCarriesItsFigures(t *testing.T) {
	c := connected(t)
	must(c.Charge(ctx, quota.Request{User: "ana", Credits: 700}))(t)
	hold := must(c.Reserve(ctx, quota.Request{User: "ana", Credits: 100}))(t)
	defer hold.Release(ctx)
	_, err := c.Charge(ctx, quota.Request{User: "ana", Credits: 201})
	var denied *quota.Denied
	if !errors.As(err, &denied) {
		t.Fatalf("201 of 200: %v", err)
	}
	equal(t, "reason", denied.Reason, "QUOTA_EXCEEDED")
	equal(t, "account", denied.Account, "users/ana")
	figures := []uint64{denied.Limit, denied.Used, denied.Held, denied.Available, denied.Requested}
	equal(t, "figures", figures, []uint64{1000, 700, 100, 200, 201})
	if !denied.Reset.After(time.Now()) || !strings.Contains(denied.Error(), "ana") {
		t.Fatalf("reset %s, message %q", denied.Reset, denied)
	}
}

func TestAStandingWarnsFrom80PercentOn(t *testing.T) {
	c := connected(t)
	charge := func(credits uint64) *pb.Standing {
		return must(c.Charge(ctx, quota.Request{User: "bo", Credits: credits}))(t).GetStanding()
	}
	equal(t, "at 79", charge(79).GetState(), pb.State_STATE_OK)
	standing := charge(1)
	equal(t, "at 80", standing.GetState(), pb.State_STATE_WARNING)
	equal(t, "figures", []uint64{standing.Used, standing.Limit, standing.Available}, []uint64{80, 100, 20})
	equal(t, "at 100", charge(20).GetState(), pb.State_STATE_BLOCKED)
}

func TestCheckNeverFailsBecauseOfQuota(t *testing.T) {
	c := connected(t)
	decision := must(c.Check(ctx, quota.Request{Environment: "prod", Credits: 101}))(t).GetDecision()
	equal(t, "allowed", decision.GetAllowed(), false)
	equal(t, "available", decision.GetDenial().GetAvailable(), 100)
	decision = must(c.Check(ctx, quota.Request{Environment: "prod", Credits: 101, MinAmount: 1}))(t).GetDecision()
	equal(t, "granted", decision.GetGranted(), 100)
	equal(t, "used", must(c.Balance(ctx, quota.Request{Environment: "prod"}))(t).GetEnvironment().GetUsed(), 0)
}

func TestABalanceHasThreeViews(t *testing.T) {
	answer := must(connected(t).Balance(ctx, quota.Request{User: "ana", Environment: "prod"}))(t)
	accounts := []string{answer.User.Account, answer.Environment.Account, answer.Organization.Account}
	equal(t, "accounts", accounts, []string{"users/ana", "environments/prod", "organization"})
	equal(t, "text", answer.User.Text, "700 of 1,000 credits used (70%)")
	equal(t, "entitlement", answer.Organization.Entitlement, 10_000)
}

func TestABatchAnswersEachOperation(t *testing.T) {
	charge := func(subject *pb.Subject, credits uint64) *pb.Operation {
		request := &pb.ChargeRequest{Subject: subject, Cost: &pb.Cost{Amount: &pb.Cost_Credits{Credits: credits}}}
		return &pb.Operation{Request: &pb.Operation_Charge{Charge: request}}
	}
	unknown := &pb.Operation{Request: &pb.Operation_Release{Release: &pb.ReleaseRequest{ReservationId: make([]byte, 16)}}}
	operations := []*pb.Operation{charge(&pb.Subject{User: "b"}, 7), charge(&pb.Subject{Environment: "prod"}, 101), unknown}
	outcomes := must(connected(t).Stub.Batch(ctx, &pb.BatchRequest{Operations: operations}))(t).GetOutcomes()
	equal(t, "committed", outcomes[0].GetCharge().GetCommitted(), 7)
	equal(t, "reason", outcomes[1].GetDenial().GetReason(), pb.DenialReason_DENIAL_REASON_QUOTA_EXCEEDED)
	equal(t, "code", codes.Code(outcomes[2].GetFailure().GetCode()), codes.NotFound)
}

func TestALostAnswerIsAskedForAgainAndBookedOnce(t *testing.T) {
	l := newLossy(t)
	c := client(t, "unix:"+l.path, quota.Deny)
	l.lose.Store(2)
	equal(t, "committed", must(c.Charge(ctx, quota.Request{User: "l", Credits: 5}))(t).Committed, 5)
	equal(t, "still to lose, requests", []int32{l.lose.Load(), l.requests.Load()}, []int32{0, 3})
	l.lose.Store(1)
	hold := must(c.Reserve(ctx, quota.Request{User: "l", Credits: 10}))(t)
	defer hold.Release(ctx)
	l.lose.Store(1)
	equal(t, "committed", must(hold.Commit(ctx, 7))(t).Committed, 7)
	usedAndHeld(t, connected(t), "l", 12, 0)
}

func TestOnlyUnavailableIsTriedAgainAndNotForEver(t *testing.T) {
	l := newLossy(t)
	c := client(t, "unix:"+l.path, quota.Deny)
	l.lose.Store(100)
	if _, err := c.Charge(ctx, quota.Request{User: "m", Credits: 3}); !errors.Is(err, quota.ErrUnavailable) {
		t.Fatalf("a charge without an answer: %v", err)
	}
	equal(t, "requests", l.requests.Load(), 4)
	l.lose.Store(0)
	l.requests.Store(0)
	var denied *quota.Denied
	if _, err := c.Charge(ctx, quota.Request{Environment: "prod", Credits: 101}); !errors.As(err, &denied) {
		t.Fatalf("101 of 100: %v", err)
	}
	_, err := c.Charge(ctx, quota.Request{User: "m", Credits: creditsMax + 1})
	code(t, err, codes.InvalidArgument)
	equal(t, "requests", l.requests.Load(), 2)
	usedAndHeld(t, connected(t), "m", 3, 0)
}

func TestWithoutASidecarTheClientDoesAsItWasTold(t *testing.T) {
	if _, err := quota.New("127.0.0.1:1", 0); err == nil {
		t.Fatal("what happens without a sidecar was left open")
	}
	allowing := client(t, "127.0.0.1:1", quota.Allow)
	hold := must(allowing.Reserve(ctx, quota.Request{User: "u", Credits: 1}))(t)
	equal(t, "granted", hold.Granted, 0)
	if answer := must(hold.Commit(ctx, 1))(t); answer != nil {
		t.Fatalf("somebody committed: %v", answer)
	}
	denying := client(t, "127.0.0.1:1", quota.Deny)
	if _, err := denying.Charge(ctx, quota.Request{User: "u", Credits: 1}); !errors.Is(err, quota.ErrUnavailable) {
		t.Fatalf("a charge without a sidecar: %v", err)
	}
}

func TestACommitThatFoundNobodyCanBeMadeAgain(t *testing.T) {
	c := connected(t)
	hold := must(c.Reserve(ctx, quota.Request{User: "k", Credits: 50}))(t)
	func() {
		defer hold.Release(ctx)
		running.kill()
		if _, err := hold.Commit(ctx, 30); !errors.Is(err, quota.ErrUnavailable) {
			t.Fatalf("a commit without a sidecar: %v", err)
		}
		running.start()
	}()
	usedAndHeld(t, c, "k", 0, 50) // leaving has not released what may be booked
	equal(t, "committed", must(hold.Commit(ctx, 30))(t).Committed, 30)
	usedAndHeld(t, c, "k", 30, 0)
}
