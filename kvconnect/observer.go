package kvconnect

import (
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
)

// Method is a kind of request.
type Method string

// The methods of the protocol, and the rest: what clients ask for that is none of them.
const (
	MethodMetadata     Method = "metadata"
	MethodSnapshotRead Method = "snapshot_read"
	MethodAtomicWrite  Method = "atomic_write"
	MethodWatch        Method = "watch"
	MethodOther        Method = "other"
)

// Methods are all that there are.
func Methods() []Method {
	return []Method{MethodMetadata, MethodSnapshotRead, MethodAtomicWrite, MethodWatch, MethodOther}
}

// Request is what is known of a request once its reply is ready. Health checks are none.
type Request struct {
	Method Method
	// DatabaseID is the zero UUID if the request was refused before its token was accepted.
	DatabaseID uuid.UUID
	// Status is that of HTTP.
	Status int
	// Reason says why the request failed, in a word such as "value_too_long"; "" if it did
	// not. It is one of Reasons.
	Reason string
	// AtomicWrite is the outcome of an atomic write that did not fail.
	AtomicWrite protocol.AtomicWriteStatus
	// BytesIn and BytesOut are the sizes of the bodies; of a watch BytesOut is that of the
	// first frame.
	BytesIn, BytesOut int
	// Served tells that the request was not refused by its header, or for want of a body or
	// of a place.
	Served bool
	// Took is the time from when the body was there until the reply was ready; 0 if it was
	// not served.
	Took time.Duration
}

// Observer is told what a Server does. Its methods are called by many goroutines at once, on
// the way of requests, and with locks held: they must not wait.
type Observer interface {
	// RequestBegun tells that a request is being served. One RequestEnded follows, with
	// the same method.
	RequestBegun(method Method)
	// RequestEnded tells that the reply to a request is ready. It comes alone, without a
	// RequestBegun, for one that was not served.
	RequestEnded(request Request)

	// WatchOpened and WatchClosed tell of the streams of watches.
	WatchOpened(databaseID uuid.UUID)
	WatchClosed(databaseID uuid.UUID)
	// WatchDelivered tells that a frame with news of that size was given to the transport,
	// that long after the watch was told of the change.
	WatchDelivered(databaseID uuid.UUID, frameBytes int, latency time.Duration)
}
