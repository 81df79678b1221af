package transport

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// GateOptions say how many connections a Gate lets in.
type GateOptions struct {
	// MaxConnections is how many may be open at once, and MaxPerAddress how many of one
	// address; inclusive, and 0 for no bound. Of IPv6 a network of 64 bits counts as one
	// address, because one client may choose from all of it.
	MaxConnections, MaxPerAddress int

	// Logger is told that connections are refused, once a minute at most; it is discarded
	// if it is nil.
	Logger *slog.Logger
}

// GateStats are the numbers of a Gate.
type GateStats struct {
	Open     int    // connections at the moment
	Max      int    // connections that may be open at once; 0 for no bound
	Accepted uint64 // connections since the start, those that are open included
	Refused  uint64 // connections since the start
}

// Gate bounds how many connections are open at once, whatever they speak and whatever serves
// them. Those beyond are refused before anything is spent on them, a handshake of TLS for
// example: a few at a time are told so, the others are closed at once. It is safe for
// concurrent use.
type Gate struct {
	options GateOptions

	mu sync.Mutex
	// All below are guarded by mu. addresses is nil if there is no bound for one.
	stats     GateStats
	addresses map[netip.Prefix]int
	refusing  int // connections that are being told
	unlogged  int
	loggedAt  time.Time
}

const refusalLogInterval = time.Minute

// NewGate gives a gate that is open.
func NewGate(options GateOptions) *Gate {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gate{options: options, stats: GateStats{Max: options.MaxConnections}}
	if options.MaxPerAddress > 0 {
		g.addresses = make(map[netip.Prefix]int)
	}
	return g
}

// Stats gives the numbers as they are.
func (g *Gate) Stats() GateStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

// take has a connection take its place, or gives why it must not be let in.
func (g *Gate) take(address netip.Prefix) (refused refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.options.MaxConnections > 0 && g.stats.Open >= g.options.MaxConnections:
		refused = refusedAll
	case g.addresses != nil && g.addresses[address] >= g.options.MaxPerAddress:
		refused = refusedAddress
	default:
		g.stats.Open++
		g.stats.Accepted++
		if g.addresses != nil {
			g.addresses[address]++
		}
		return refusedNot
	}
	g.stats.Refused++
	g.log(refused, address)
	return refused
}

// log tells of refused connections now and then. The caller holds mu.
func (g *Gate) log(refused refusal, address netip.Prefix) {
	g.unlogged++
	now := time.Now()
	if now.Sub(g.loggedAt) < refusalLogInterval {
		return
	}
	g.options.Logger.Warn("connections are refused", "reason", refused.String(), "count", g.unlogged, "open", g.stats.Open,
		"max_connections", g.options.MaxConnections, "max_per_address", g.options.MaxPerAddress, "addr", address.Addr().String())
	g.unlogged, g.loggedAt = 0, now
}

// leave gives the place of a connection back.
func (g *Gate) leave(address netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stats.Open--
	if g.addresses == nil {
		return
	}
	g.addresses[address]--
	if g.addresses[address] == 0 {
		delete(g.addresses, address)
	}
}

// mayTell reports whether one more refused connection is told so, and counts it.
func (g *Gate) mayTell() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusing >= maxRefusing {
		return false
	}
	g.refusing++
	return true
}

func (g *Gate) told() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusing--
}

// addressOf gives what a connection counts for; the zero Prefix for what has no address.
func addressOf(conn net.Conn) netip.Prefix {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap()
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.WithZone("").Prefix(bits) // fails for no address, which counts as one
	return network
}
