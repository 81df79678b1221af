package bench

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// session is an open database on one server, with the connections to its data path.
type session struct {
	server   Server
	http     httpconn.Version
	timeout  time.Duration
	route    *httpconn.Route // of the metadata exchange
	database *database       // replaced between workloads only
	slots    []connectionSlot
}

// connectionSlot holds one of the connections, which is dialled when it is needed and
// again when it is broken.
type connectionSlot struct {
	mu   sync.Mutex
	conn httpconn.Conn // guarded by mu
	// old holds connections that take no further calls but may still end some.
	old []httpconn.Conn // guarded by mu
}

// retire takes a connection that is broken. Those that have ended are not kept: a server
// that closes each connection after some replies leaves thousands.
func (slot *connectionSlot) retire(conn httpconn.Conn) {
	slot.old = slices.DeleteFunc(append(slot.old, conn), func(one httpconn.Conn) bool {
		if one.Idle() {
			one.Close()
			return true
		}
		return false
	})
}

func newSession(server Server, options *Options) *session {
	return &session{
		server: server, http: options.HTTP, timeout: options.Timeout,
		route: exchangeRoute(server), slots: make([]connectionSlot, options.Connections),
	}
}

// open makes the metadata exchange. It is made again before each workload, as the
// token that it gives expires.
func (s *session) open(ctx context.Context) error {
	conn, err := httpconn.Dial(ctx, s.server.URL, s.http, s.timeout)
	if err != nil {
		return explain(s.server, s.http, err)
	}
	defer conn.Close()
	database, err := exchange(ctx, conn, s.server, s.route)
	if err != nil {
		return explain(s.server, s.http, err)
	}
	s.database = database
	return nil
}

// close closes all connections.
func (s *session) close() {
	for i := range s.slots {
		slot := &s.slots[i]
		slot.mu.Lock()
		if slot.conn != nil {
			slot.old = append(slot.old, slot.conn)
		}
		for _, conn := range slot.old {
			conn.Close()
		}
		slot.conn, slot.old = nil, nil
		slot.mu.Unlock()
	}
}

func (s *session) dial(ctx context.Context) (httpconn.Conn, error) {
	return httpconn.Dial(ctx, s.database.endpoint, s.http, s.timeout)
}

// connection gives the connection that caller i uses.
func (s *session) connection(ctx context.Context, i int) (httpconn.Conn, error) {
	slot := &s.slots[i%len(s.slots)]
	slot.mu.Lock()
	defer slot.mu.Unlock()
	if slot.conn != nil && !slot.conn.Broken() {
		return slot.conn, nil
	}
	if slot.conn != nil {
		slot.retire(slot.conn)
		slot.conn = nil
	}
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	slot.conn = conn
	return conn, nil
}

// connect dials what is not connected yet.
func (s *session) connect(ctx context.Context) error {
	for i := range s.slots {
		if _, err := s.connection(ctx, i); err != nil {
			return explain(s.server, s.http, err)
		}
	}
	return nil
}

// caller makes the calls of one worker, one after another.
type caller struct {
	session *session
	index   int
	conn    httpconn.Conn
	call    httpconn.Call
}

// do makes a call of the data path. The reply is valid until the next one.
func (c *caller) do(ctx context.Context, route *httpconn.Route, body []byte) ([]byte, error) {
	if c.conn == nil || c.conn.Broken() {
		conn, err := c.session.connection(ctx, c.index)
		if err != nil {
			return nil, err
		}
		c.conn = conn
	}
	return dataPathCall(ctx, c.conn, &c.call, route, body)
}

// dataPathCall makes a call whose reply must be a message.
func dataPathCall(ctx context.Context, conn httpconn.Conn, call *httpconn.Call, route *httpconn.Route, body []byte) ([]byte, error) {
	call.Route, call.Body = route, body
	if err := conn.Do(ctx, call); err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
			return nil, cause
		}
		return nil, err
	}
	if call.Status != http.StatusOK {
		return nil, &statusError{status: call.Status, text: string(call.Reply)}
	}
	if call.ContentType != "application/x-protobuf" {
		return nil, wrongReply("the reply has the content type %q", call.ContentType)
	}
	return call.Reply, nil
}
