package kvconnect

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// Options says what a Server serves.
type Options struct {
	// Databases keeps the data. The caller closes it, after the server.
	Databases Databases
	// Auth decides on tokens.
	Auth Authenticator

	// PublicURL is the URL under which clients reach the server, if that is not
	// the one their requests name. It may have a path.
	PublicURL *url.URL
	// TrustedProxies are the peers whose X-Forwarded-Proto, X-Forwarded-Host and
	// X-Forwarded-For are believed.
	TrustedProxies []netip.Prefix

	// Logger gets the faults of the server, slow requests at the level warn, and at the
	// level debug a line for each request; they are discarded if it is nil.
	Logger *slog.Logger
	// SlowRequest is how long a request may take before it is slow; 0 for no such line.
	SlowRequest time.Duration
	// Observer is told of each request; nil for nobody.
	Observer Observer

	// MaxRequests is how many atomic writes, and how many other requests, may be served at
	// once; 0 for no bound. Those beyond get a 503 at once.
	MaxRequests int

	// WatchKeepAlive is protocol.WatchKeepAlive if 0.
	WatchKeepAlive time.Duration
	// BodyTimeout is protocol.BodyTimeout if 0.
	BodyTimeout time.Duration
	// StallTimeout is how long a reply over net/http may wait for its client to take it,
	// and the news of a watch too; protocol.StallTimeout if 0.
	StallTimeout time.Duration
	// Now is time.Now if nil.
	Now func() time.Time
}

// Server is the http.Handler of a KV Connect server, and the transport.Handler of its
// data path. It is safe for concurrent use.
type Server struct {
	options  Options
	endpoint *endpointResolver

	started       time.Time
	timesRequests bool // somebody wants to know how long they take
	requestIDs    requestIDs
	tokenKnower   AccessTokenKnower // nil if Options.Auth is none
	load          load

	draining  atomic.Bool
	trust     atomic.Uint32 // grows with each DistrustTokens
	badTokens *badTokens
	ready     readiness
	feeds     openFeeds
	writes    openWrites
	stalled   atomic.Uint64 // replies that were cut off
}

// New gives a Server. options.Databases and options.Auth are required.
func New(options Options) *Server {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.WatchKeepAlive <= 0 {
		options.WatchKeepAlive = protocol.WatchKeepAlive
	}
	if options.BodyTimeout <= 0 {
		options.BodyTimeout = protocol.BodyTimeout
	}
	if options.StallTimeout <= 0 {
		options.StallTimeout = protocol.StallTimeout
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Server{
		options: options,
		started: time.Now(),
		timesRequests: options.Observer != nil || options.SlowRequest > 0 ||
			options.Logger.Enabled(context.Background(), slog.LevelDebug),
		load:      load{max: int64(options.MaxRequests), now: options.Now, logger: options.Logger},
		endpoint:  &endpointResolver{publicURL: options.PublicURL, trustedProxies: options.TrustedProxies},
		badTokens: newBadTokens(options.Now, options.Logger),
		feeds:     openFeeds{now: options.Now, grants: make(map[*access.Grant]*grantFeeds)},
		writes:    openWrites{bounds: make(map[*writeBound]struct{})},
	}
	s.requestIDs.init()
	s.tokenKnower, _ = options.Auth.(AccessTokenKnower)
	return s
}

// Drain makes the server not ready: requests that come from now on get a 503,
// which clients take as "try again", those under way are answered, and watches
// end. It does not wait for any of them; the Shutdown of what carries them does.
func (s *Server) Drain() {
	if s.draining.Swap(true) {
		return
	}
	s.feeds.wakeAll()
	s.writes.hurry()
}

// DistrustTokens has all data path tokens checked again that were found valid before: open
// watches end, and calls that were admitted and not begun are refused with a 401. Clients
// come back with the token that they have. It is for keys that are dropped because others
// may know them: what was signed with them must not live on in a stream.
func (s *Server) DistrustTokens() {
	s.trust.Add(1)
	s.feeds.wakeAll()
}

func (s *Server) isDraining() bool { return s.draining.Load() }

// errDraining is a 503, which clients take as a reason to try again: by then
// another server may listen.
var errDraining = fmt.Errorf("%w: the server is shutting down", protocol.ErrUnavailable)

// dataPath is the path of the endpoint that the metadata names, the one that
// denokv has.
const dataPath = "/v2"

// databasesPath is what the paths of databases begin with.
const databasesPath = "/databases/"

// handler gives the reply to a request that is none of the data path, with no more than
// fields written to w. An error becomes the reply.
type handler func(w http.ResponseWriter, r *http.Request, record *record) (transport.Reply, error)

// route gives the methods that a path takes, none if there is no such path, and the
// handler. Those of the data path have none: Admit decides on them.
func (s *Server) route(path string) (methods []string, h handler) {
	post, get := []string{http.MethodPost}, []string{http.MethodGet, http.MethodHead}
	switch path {
	case "/":
		return post, s.serveMetadata
	case "/healthz":
		return get, s.serveHealthz
	case "/readyz":
		return get, s.serveReadyz
	}
	if operationOf(path) != nil {
		return post, nil
	}
	if name, ok := strings.CutPrefix(path, databasesPath); ok {
		// Without the suffix it is what Deno makes of a name and DENO_KV_PATH_PREFIX.
		name = strings.TrimSuffix(name, "/connect")
		if name != "" && !strings.Contains(name, "/") {
			return post, func(w http.ResponseWriter, r *http.Request, record *record) (transport.Reply, error) {
				return s.exchangeMetadata(w, r, record, name)
			}
		}
	}
	return nil, nil
}
