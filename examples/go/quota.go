// Package quota is a small client for quotad, over the code in quotadv1, which generate.sh makes from the .proto files.
//
//	client, err := quota.New("127.0.0.1:7450", quota.Deny)
//	...
//	hold, err := client.Reserve(ctx, quota.Request{User: "ana", Credits: 500})
//	if err != nil {
//		return err // a *quota.Denied says why
//	}
//	defer hold.Release(ctx) // leaving without a commit releases
//	used, err := work()
//	...
//	_, err = hold.Commit(ctx, used)
package quota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.com/quota/quotadv1"
)

// OnUnavailable says what happens when no sidecar answers. There is no default: it is the application's choice.
type OnUnavailable int

const (
	// Deny fails with ErrUnavailable.
	Deny OnUnavailable = iota + 1
	// Allow lets the work go on without credits: answers are nil then, and nothing is booked.
	Allow
)

// ErrUnavailable is the error when no sidecar answered, and the client was told to deny then.
var ErrUnavailable = errors.New("no sidecar answers")

// Only UNAVAILABLE is worth retrying, and only because every request carries an id of its own: the sidecar answers a
// repeated one without booking it again.
const retries = `{
  "methodConfig": [{
    "name": [{"service": "quotad.v1.QuotaService"}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.05s",
      "maxBackoff": "1s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// A sidecar that was away is found again within a second; gRPC's own default waits up to two minutes.
var reconnects = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: time.Second,
}

// Client talks to the sidecar beside this process. It may be shared by goroutines.
type Client struct {
	// Stub makes the calls that have no helper here, such as Batch and Stream. It retries too, but knows neither Deny
	// nor Denied.
	Stub pb.QuotaServiceClient
	// Timeout is how long a call may take, retries included; the context may make it shorter. New sets 2 s.
	Timeout time.Duration

	connection *grpc.ClientConn
	allow      bool
}

// New makes a client for a HOST:PORT or unix:PATH. It connects when the first call is made.
func New(address string, onUnavailable OnUnavailable) (*Client, error) {
	if onUnavailable != Allow && onUnavailable != Deny {
		return nil, errors.New("onUnavailable is quota.Allow or quota.Deny")
	}
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(retries),
		grpc.WithConnectParams(reconnects))
	if err != nil {
		return nil, err
	}
	return &Client{
		Stub:       pb.NewQuotaServiceClient(connection),
		Timeout:    2 * time.Second,
		connection: connection,
		allow:      onUnavailable == Allow,
	}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.connection.Close() }

// Request says who asks, and for how much: Credits, or a Quantity of an Operation of the rate card.
type Request struct {
	// Who asks, and what for. Empty: the default organization and environment, no user, product or model.
	Organization, Environment, User, Product, Model string
	// Credits, beside which Operation only names class and product.
	Credits uint64
	// Operation is a line of the rate card.
	Operation string
	// Quantity of Operation; 0 means that Credits count.
	Quantity uint64
	// MinAmount is how little will do, in credits. 0: all or nothing.
	MinAmount uint64
	// TTL is when a reservation ends by itself, at most an hour. 0: after a minute.
	TTL time.Duration
}

func (r Request) subject() *pb.Subject {
	return &pb.Subject{
		Organization: r.Organization, Environment: r.Environment, User: r.User, Product: r.Product, Model: r.Model,
	}
}

func (r Request) cost() *pb.Cost {
	if r.Quantity > 0 {
		return &pb.Cost{Amount: &pb.Cost_Usage{Usage: &pb.Usage{Operation: r.Operation, Quantity: r.Quantity}}}
	}
	return &pb.Cost{Amount: &pb.Cost_Credits{Credits: r.Credits}, Operation: r.Operation}
}

func (r Request) minAmount() *uint64 {
	if r.MinAmount == 0 {
		return nil
	}
	return &r.MinAmount
}

// Reserve keeps credits for work that begins now. Defer the hold's Release.
func (c *Client) Reserve(ctx context.Context, r Request) (*Hold, error) {
	answer, err := call(ctx, c, c.Stub.Reserve, &pb.ReserveRequest{
		Subject: r.subject(), Cost: r.cost(), MinAmount: r.minAmount(), Ttl: ttl(r.TTL), ReservationId: newID(),
	})
	if err != nil {
		return nil, err
	}
	reservation := answer.GetReservation()
	return &Hold{
		ID: reservation.GetId(), Granted: reservation.GetGranted(), client: c, open: reservation != nil,
	}, nil
}

// Charge reserves and commits in one step.
func (c *Client) Charge(ctx context.Context, r Request) (*pb.ChargeResponse, error) {
	return call(ctx, c, c.Stub.Charge, &pb.ChargeRequest{Subject: r.subject(), Cost: r.cost(), RequestId: newID()})
}

// Check tells what Reserve would answer. It changes nothing, and a denial is no error.
func (c *Client) Check(ctx context.Context, r Request) (*pb.CheckResponse, error) {
	return call(ctx, c, c.Stub.Check, &pb.CheckRequest{Subject: r.subject(), Cost: r.cost(), MinAmount: r.minAmount()})
}

// Balance tells how the user, the environment and the organization stand.
func (c *Client) Balance(ctx context.Context, r Request) (*pb.GetBalanceResponse, error) {
	return call(ctx, c, c.Stub.GetBalance, &pb.GetBalanceRequest{Subject: r.subject()})
}

// call makes a call, and turns its errors into those of this package. The answer is nil where the work may go on without.
func call[Q, A any](
	ctx context.Context, c *Client, method func(context.Context, *Q, ...grpc.CallOption) (*A, error), request *Q,
) (*A, error) {
	within, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	answer, err := method(within, request)
	if err == nil {
		return answer, nil
	}
	if denied := denial(err); denied != nil {
		return nil, denied
	}
	code := status.Code(err)
	if ctx.Err() != nil || code != codes.Unavailable && code != codes.DeadlineExceeded {
		return nil, err
	}
	if c.allow {
		return nil, nil
	}
	return nil, fmt.Errorf("%w: %s", ErrUnavailable, status.Convert(err).Message())
}

// newID is a UUIDv7. By the time in it the sidecar knows an id that is too old to be remembered, and refuses it.
func newID() []byte {
	id := uuid.Must(uuid.NewV7())
	return id[:]
}

func ttl(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}
