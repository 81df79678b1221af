package kvconnect

import (
	"net/http"
	"net/netip"
)

// ErrorKinds are the errors that a reply has a status for.
func ErrorKinds() []error {
	kinds := make([]error, len(statuses))
	for i, row := range statuses {
		kinds[i] = row.err
	}
	return kinds
}

// MaxQuickEntries is how many entries a quick read may ask for.
const MaxQuickEntries = maxQuickEntries

// ErrBodyTooShort is the error of a body that is shorter than its Content-Length.
var ErrBodyTooShort = errBodyTooShort

// ClientAddr gives the address that a request counts for.
func (s *Server) ClientAddr(r *http.Request) netip.Addr { return s.endpoint.clientAddr(r) }

// MaxBadTokenAddrs bounds the addresses of a generation.
const MaxBadTokenAddrs = maxBadTokenAddrs

// BadTokenAddrs counts the addresses of bad tokens that are remembered.
func (s *Server) BadTokenAddrs() int {
	s.badTokens.mu.Lock()
	defer s.badTokens.mu.Unlock()
	return len(s.badTokens.young) + len(s.badTokens.old)
}

// OpenFeeds counts the feeds that a drain would end.
func (s *Server) OpenFeeds() (n int) {
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	for _, feeds := range s.feeds.grants {
		for f := feeds.first; f != nil; f = f.next {
			n++
		}
	}
	return n
}
