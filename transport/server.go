package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what the http.Server does not say. A duration that is 0 has a default.
type Options struct {
	// Logger gets what an operator must know; it is discarded if it is nil.
	Logger *slog.Logger

	// BodyTimeout is how long the body of a call may take to arrive.
	BodyTimeout time.Duration
	// PingAfter is the silence of a client after which it is asked for a sign of
	// life, and PingTimeout how long that may take.
	PingAfter, PingTimeout time.Duration
	// WriteTimeout is how long a client may take for the next 8 KiB that are sent to it.
	WriteTimeout time.Duration
	// StallTimeout is how long a client of HTTP/2 may leave what there is for it on a
	// stream: it begins for a feed after the silence in which it had a sign of life.
	StallTimeout time.Duration
}

// Server serves HTTP/2 and HTTP/1.1 on the same port. It is safe for concurrent use.
type Server struct {
	http    *http.Server
	handler Handler
	logger  *slog.Logger
	limits  limits

	started time.Time
	clock   atomic.Int64           // nanoseconds since then, as of the last tick of the watchdog
	date    atomic.Pointer[[]byte] // the field of the same time, encoded
	dated   int64                  // the second of date; for the watchdog alone
	tellers tellers
	dog     *watchdog
	http1   atomic.Int64   // connections that speak HTTP/1.1
	stalled atomic.Uint64  // streams that were ended for that
	running sync.WaitGroup // all goroutines of the server; grows under mu, or from one that is counted

	mu sync.Mutex
	// listeners, arriving, conns and stage are guarded by mu. arriving are connections
	// that have not yet said which protocol they speak.
	listeners map[net.Listener]struct{}
	arriving  map[net.Conn]struct{}
	conns     map[*conn]struct{}
	stage     stage
}

// stage is how far the life of a server or of a connection has come.
type stage int

const (
	stageServing stage = iota
	stageDraining
	stageClosed
)

// New gives a server that serves what handler admits over HTTP/2. Its other requests go to
// the Handler of the http.Server, whose limits and timeouts hold for HTTP/2 too, and
// HTTP/1.1 to the http.Server itself, which must not be used otherwise.
func New(server *http.Server, handler Handler, options Options) *Server {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		http: server, handler: handler, logger: options.Logger, limits: limitsOf(server, options),
		started:   time.Now(),
		listeners: make(map[net.Listener]struct{}),
		arriving:  make(map[net.Conn]struct{}),
		conns:     make(map[*conn]struct{}),
	}
	countConnections(server, &s.http1)
	s.dog = newWatchdog(s.limits.tick())
	s.setClock(time.Now())
	return s
}

// Serve serves the connections of a listener until Shutdown or Close, and then returns
// http.ErrServerClosed. It closes the listener. HTTP/2 on a listener of crypto/tls must
// have been agreed on by ALPN ("h2").
func (s *Server) Serve(listener net.Listener) error {
	handed := newHandedListener(listener.Addr())
	if !s.begin(listener) {
		return errors.Join(http.ErrServerClosed, listener.Close())
	}
	httpServed := make(chan error, 1)
	go func() { httpServed <- s.http.Serve(handed) }()
	err := s.accept(listener, handed)
	s.mu.Lock()
	delete(s.listeners, listener)
	s.mu.Unlock()
	_ = listener.Close() // it may be closed already
	_ = handed.Close()
	<-httpServed //nolint:errcheck // that its listener is closed
	return err
}

// begin reports false if the server is no longer serving.
func (s *Server) begin(listener net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage != stageServing {
		return false
	}
	s.listeners[listener] = struct{}{}
	s.dog.start.Do(func() { s.running.Go(func() { s.dog.run(s) }) })
	return true
}

// Shutdown ends the server in order: it takes no more connections, has the clients told
// to send no more requests, answers those under way, ends the feeds, and returns when all
// is sent. When ctx ends before that, the rest is cut off and the error of ctx returned,
// at the latest after cutTimeout.
func (s *Server) Shutdown(ctx context.Context) error {
	conns := s.leave(stageDraining)
	for _, c := range conns {
		c.drain()
	}
	httpDown := make(chan error, 1)
	go func() { httpDown <- s.http.Shutdown(ctx) }()
	allDone := make(chan struct{})
	go func() { // it ends with the connections, which close cuts off
		defer close(allDone)
		for _, c := range conns {
			<-c.gone
		}
	}()
	select {
	case <-allDone:
	case <-ctx.Done():
	}
	err := <-httpDown
	if ctx.Err() != nil {
		_ = s.http.Close() // ctx tells already that it had to
		err = ctx.Err()
	}
	s.close()
	return err
}

// Close cuts off all connections, and waits for the calls under way until cutTimeout.
func (s *Server) Close() error {
	err := s.http.Close()
	s.close()
	return err
}

// close cuts off the HTTP/2 connections and waits for all goroutines, except for those of
// calls that do not heed their contexts: a disk that hangs must not keep the program.
func (s *Server) close() {
	for _, c := range s.leave(stageClosed) {
		c.cut()
	}
	s.dog.stop.Do(func() { close(s.dog.stopped) })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.running.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(cutTimeout):
		s.logger.Warn("calls go on after the connections were cut off")
	}
}

// leave ends the stages before the one given, and gives the connections that are open.
func (s *Server) leave(next stage) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stage = max(s.stage, next)
	for listener := range s.listeners {
		_ = listener.Close() // Serve returns
	}
	for arriving := range s.arriving {
		_ = arriving.Close() // it has asked for nothing
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}
