package transport

import (
	"net/http"
	"time"
)

// What a client may do to the server, and for how long the server waits. The limits of
// headers, idle connections and concurrent streams are those of the http.Server.
const (
	// maxFrameBytes is the longest frame either side sends, the least that HTTP/2
	// allows a side to ask for: streams take turns frame by frame.
	maxFrameBytes = 16 << 10

	// streamWindowBytes is what a client may send on a stream before it is told to
	// go on: enough for most requests, little for one that nobody has admitted.
	streamWindowBytes = 64 << 10

	// receiveWindowBytes is the same for a connection. It is more than one request
	// needs, so that the requests of a connection do not wait for each other.
	receiveWindowBytes = 4 << 20

	// maxHeldBytes is what the bodies of a connection may hold in memory before all but
	// one must wait: many large writes at once, all from one program. Beyond twice that
	// this one must wait too.
	maxHeldBytes = 64 << 20

	// maxUnsentBytes is how much of a connection's replies may wait for the client
	// before its further requests wait too.
	maxUnsentBytes = 4 << 20

	// outputBytes is how much is handed to the system at once.
	outputBytes = 64 << 10

	// patientBytes is how much of that a slow client is given at a time: taking it is a
	// sign of life.
	patientBytes = 8 << 10

	// inputBytes is how much is taken from the system at once.
	inputBytes = 16 << 10

	// maxCallWorkers is how many calls of a connection run at once that are not
	// quick. A group of writes is committed together; it need not be larger.
	maxCallWorkers = 256

	// maxHTTPCalls is how many requests of a connection net/http's handler serves
	// at once. Programs send one a minute.
	maxHTTPCalls = 100

	// maxForeignStreams is how many streams of a connection may be open that carry no
	// admitted call: who has no token must not fill the memory with replies that it
	// does not take.
	maxForeignStreams = 10_000

	// hugeHeaderFactor is how many times the size that a header may have is still
	// read, to answer it with an error. What is larger ends the connection.
	hugeHeaderFactor = 8

	// maxBlockFactor is how many times that size its encoded form may take, which is
	// smaller as a rule. It bounds what a client can send in frames without an end.
	maxBlockFactor = 2

	// idleFrames is how many frames that ask for nothing a client may send in each
	// idleFramesInterval: pings, settings, requests that it takes back, and more of
	// that kind. Programs send a few a minute, and a thousand watches that are closed
	// together are no such frames.
	idleFrames         = 10_000
	idleFramesInterval = 10 * time.Second

	// streamsPerIdleFrame is how many streams may be changed, by a change of the windows
	// of all, for what an idle frame costs.
	streamsPerIdleFrame = 64

	// updatesForData is how many WINDOW_UPDATE frames a client may send for a DATA frame
	// at no charge: one for the stream, one for the connection, and one to spare.
	updatesForData = 3

	// framesAtATime is how many frames a connection may have served before others
	// get their turn.
	framesAtATime = 128

	// tellsAtATime is the same for the feeds of a connection.
	tellsAtATime = 64

	// feedReserve is the part of a large window of a connection, 1 in so many, that
	// feeds leave to the other replies. Who does not read a feed would otherwise wait
	// for all else in vain. The window that HTTP/2 begins with is too small for that: only
	// one that the client has made large is shared so.
	feedReserve      = 8
	largeWindowBytes = 1 << 20

	// lingerTimeout is how long the server reads on after it has said all: a
	// connection that is closed with input unread takes back what was sent last.
	lingerTimeout = time.Second

	// maxLingerReads bounds what is read meanwhile.
	maxLingerReads = 64

	// cutTimeout is how long calls may take to end after their contexts have.
	cutTimeout = time.Second

	// stalledFeedTimeout is what a client that does not read is given at a drain.
	stalledFeedTimeout = time.Second

	// drainWriteTimeout is Options.WriteTimeout and Options.StallTimeout at a drain.
	drainWriteTimeout = 5 * time.Second
)

// What Options are if they are 0.
const (
	defaultBodyTimeout  = 15 * time.Second
	defaultPingAfter    = 30 * time.Second
	defaultPingTimeout  = time.Minute
	defaultWriteTimeout = time.Minute
	defaultStallTimeout = 5 * time.Minute

	// The rest are what they are if the http.Server sets none.
	defaultReadHeaderTimeout    = 10 * time.Second
	defaultIdleTimeout          = 3 * time.Minute
	defaultMaxConcurrentStreams = 1 << 20
)

// limits is what holds for the connections of a server.
type limits struct {
	readHeader, idle, body, pingAfter, ping, write, stall time.Duration

	maxHeaderListBytes   int
	maxConcurrentStreams int
}

func limitsOf(server *http.Server, options Options) limits {
	l := limits{
		readHeader: or(server.ReadHeaderTimeout, defaultReadHeaderTimeout),
		idle:       or(server.IdleTimeout, defaultIdleTimeout),
		body:       or(options.BodyTimeout, defaultBodyTimeout),
		pingAfter:  or(options.PingAfter, defaultPingAfter),
		ping:       or(options.PingTimeout, defaultPingTimeout),
		write:      or(options.WriteTimeout, defaultWriteTimeout),
		stall:      or(options.StallTimeout, defaultStallTimeout),
		// As net/http has it: HTTP/2 counts 32 bytes more for each field.
		maxHeaderListBytes:   or(server.MaxHeaderBytes, http.DefaultMaxHeaderBytes) + 10*fieldOverheadBytes,
		maxConcurrentStreams: defaultMaxConcurrentStreams,
	}
	if server.HTTP2 != nil {
		l.maxConcurrentStreams = or(server.HTTP2.MaxConcurrentStreams, defaultMaxConcurrentStreams)
	}
	return l
}

func or[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// tick is how often the watchdog looks: often enough for the shortest of the times.
func (l limits) tick() time.Duration {
	shortest := min(l.readHeader, l.idle, l.body, l.pingAfter, l.ping, l.write, l.stall)
	return min(time.Second, max(time.Millisecond, shortest/4))
}
