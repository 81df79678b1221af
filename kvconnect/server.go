package kvconnect

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
)

// Options says what a Server serves.
type Options struct {
	// DatabaseID is the id that clients know the database by.
	DatabaseID uuid.UUID
	// Backend keeps the data. The caller closes it, after the server.
	Backend Backend
	// Auth decides on tokens.
	Auth Authenticator

	// PublicURL is the URL under which clients reach the server, if that is not
	// the one their requests name. It may have a path.
	PublicURL *url.URL
	// TrustedProxies are the peers whose X-Forwarded-Proto and X-Forwarded-Host
	// are believed.
	TrustedProxies []netip.Prefix

	// Logger gets the faults of the server; they are discarded if it is nil.
	Logger *slog.Logger

	// WatchKeepAlive is protocol.WatchKeepAlive if 0.
	WatchKeepAlive time.Duration
	// BodyTimeout is protocol.BodyTimeout if 0.
	BodyTimeout time.Duration
}

// Server is the http.Handler of a KV Connect server. It is safe for concurrent
// use.
type Server struct {
	options  Options
	endpoint *endpointResolver

	drainOnce sync.Once
	draining  chan struct{} // closed once Drain was called
	watches   openWatches
}

// New gives a Server. options.Backend and options.Auth are required.
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
	return &Server{
		options:  options,
		endpoint: &endpointResolver{publicURL: options.PublicURL, trustedProxies: options.TrustedProxies},
		draining: make(chan struct{}),
		watches:  openWatches{streams: make(map[*watchStream]struct{})},
	}
}

// Drain makes the server not ready: requests that come from now on get a 503,
// which clients take as "try again", those under way are answered, and watches
// end. It does not wait; http.Server.Shutdown does.
func (s *Server) Drain() {
	s.drainOnce.Do(func() {
		close(s.draining)
		s.watches.hurry()
	})
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// dataPath is the path of the endpoint that the metadata names, the one that
// denokv has.
const dataPath = "/v2"

// handler serves one call. An error becomes the reply; a handler that returns one
// has written nothing.
type handler func(w http.ResponseWriter, r *http.Request) error

// route gives the handler of a path and the methods it takes.
func (s *Server) route(path string) (methods []string, h handler) {
	post, get := []string{http.MethodPost}, []string{http.MethodGet, http.MethodHead}
	switch path {
	case "/":
		return post, s.serveMetadata
	case dataPath + "/snapshot_read":
		return post, s.serveSnapshotRead
	case dataPath + "/atomic_write":
		return post, s.serveAtomicWrite
	case dataPath + "/watch":
		return post, s.serveWatch
	case "/healthz":
		return get, s.serveHealthz
	case "/readyz":
		return get, s.serveReadyz
	}
	if name, ok := strings.CutPrefix(path, "/databases/"); ok {
		if name, ok := strings.CutSuffix(name, "/connect"); ok && name != "" && !strings.Contains(name, "/") {
			return post, func(w http.ResponseWriter, r *http.Request) error {
				return s.exchangeMetadata(w, r, name)
			}
		}
	}
	return nil, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	methods, h := s.route(r.URL.Path)
	s.serve(w, r, methods, h)
}

// HealthHandler gives a handler of /healthz and /readyz alone.
func (s *Server) HealthHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods, h := s.route(r.URL.Path)
		if !isHealthPath(r.URL.Path) {
			methods, h = nil, nil
		}
		s.serve(w, r, methods, h)
	})
}
