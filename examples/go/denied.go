package quota

import (
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Denied is the error when the rules refuse the credits.
type Denied struct {
	// Reason is QUOTA_EXCEEDED, OVERAGE_BLOCKED, ...
	Reason string
	// Account is the one with the least headroom: organization, pool, environments/E or users/U.
	Account string
	// Credits. A RESOURCE_LIMIT, which is the sidecar's own bound, has no figures.
	Limit, Used, Held, Available, Requested uint64
	// Reset is when the cycle ends and counters start at zero.
	Reset time.Time

	message string
}

// Error is a sentence for people; programs read the fields.
func (d *Denied) Error() string { return d.message }

// denial is the Denied that a gRPC error carries, or nil.
func denial(err error) *Denied {
	found := status.Convert(err)
	if found.Code() != codes.ResourceExhausted {
		return nil
	}
	for _, detail := range found.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != "quotad" {
			continue
		}
		figures := info.GetMetadata()
		// What is absent or no figure stays zero: the denial itself must not be lost.
		credits := func(name string) uint64 {
			n, _ := strconv.ParseUint(figures[name], 10, 64)
			return n
		}
		reset, _ := time.Parse(time.RFC3339, figures["reset"])
		return &Denied{
			Reason: info.GetReason(), Account: figures["account"],
			Limit: credits("limit"), Used: credits("used"), Held: credits("held"),
			Available: credits("available"), Requested: credits("requested"),
			Reset: reset, message: found.Message(),
		}
	}
	return nil
}
