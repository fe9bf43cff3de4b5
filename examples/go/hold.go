package quota

import (
	"context"
	"errors"
	"time"

	pb "example.com/quota/quotadv1"
)

// Hold is credits that are kept until Commit or Release. It belongs to one goroutine.
type Hold struct {
	// ID names the reservation. Empty where the work goes on without a sidecar.
	ID []byte
	// Granted is how many credits are held.
	Granted uint64

	client *Client
	open   bool
	unsure bool
}

// Commit books the credits that were really used.
//
// If no sidecar answers, the work may be booked or not: Release does nothing then, and the same Commit may be made again.
func (h *Hold) Commit(ctx context.Context, amount uint64) (*pb.CommitResponse, error) {
	return h.commit(ctx, &pb.CommitRequest{Actual: &pb.CommitRequest_Amount{Amount: amount}})
}

// CommitQuantity books so much of the operation that was reserved, at the rate of the reservation.
func (h *Hold) CommitQuantity(ctx context.Context, quantity uint64) (*pb.CommitResponse, error) {
	return h.commit(ctx, &pb.CommitRequest{Actual: &pb.CommitRequest_Quantity{Quantity: quantity}})
}

func (h *Hold) commit(ctx context.Context, request *pb.CommitRequest) (*pb.CommitResponse, error) {
	if !h.open {
		return nil, nil
	}
	request.ReservationId = h.ID
	h.unsure = true
	answer, err := call(ctx, h.client, h.client.Stub.Commit, request)
	if err != nil {
		// What the sidecar refused is not booked; what it did not answer may be.
		h.unsure = errors.Is(err, ErrUnavailable) || ctx.Err() != nil
		return nil, err
	}
	h.open = answer == nil
	return answer, nil
}

// Extend holds so many credits more, or holds them longer: ttl from now on, 0 for as long as before.
func (h *Hold) Extend(ctx context.Context, additional uint64, longer time.Duration) (*pb.ExtendResponse, error) {
	if !h.open {
		return nil, nil
	}
	answer, err := call(ctx, h.client, h.client.Stub.Extend, &pb.ExtendRequest{
		ReservationId: h.ID, Additional: additional, Ttl: ttl(longer), RequestId: newID(),
	})
	if answer != nil {
		h.Granted = answer.GetReservation().GetGranted()
	}
	return answer, err
}

// Release gives the credits back, unless they were committed. Made to be deferred: it also works when the context is
// over, and where it fails the reservation ends by itself.
func (h *Hold) Release(ctx context.Context) error {
	if !h.open || h.unsure {
		return nil
	}
	h.open = false
	_, err := call(context.WithoutCancel(ctx), h.client, h.client.Stub.Release, &pb.ReleaseRequest{ReservationId: h.ID})
	return err
}
