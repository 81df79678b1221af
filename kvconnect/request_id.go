package kvconnect

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync/atomic"

	"github.com/kvconnect/kvconnect/transport"
)

// The headers that carry the id of a request: the one that replies have too, and that of
// "W3C Trace Context", whose trace id stands for the request.
const (
	headerRequestID   = "X-Request-Id"
	fieldRequestID    = "x-request-id"
	headerTraceParent = "Traceparent"
)

// maxRequestIDBytes is the longest id that is taken from a client. What is longer may be
// something that no log may have.
const maxRequestIDBytes = 64

// givenRequestID gives the id that a client, or a proxy before the server, has given to a
// request; "" for none, or for one that is none: it goes into logs.
func givenRequestID(header transport.Header) string {
	if id := header.Get(headerRequestID); isRequestID(id) {
		return id
	}
	return traceID(header.Get(headerTraceParent))
}

func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestIDBytes || strings.Contains(id, accessTokenPrefix) {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// accessTokenPrefix is what access tokens begin with that kvconnect has made, one of which may
// get into a wrong header.
const accessTokenPrefix = "kvc_"

// withheldRequestID is in the log in place of an id that is somebody's access token.
const withheldRequestID = "withheld"

// AccessTokenKnower is what an Authenticator may be too, if it can tell access tokens from
// other words.
type AccessTokenKnower interface {
	// KnowsAccessToken tells whether that is an access token, valid or not any more. It does
	// not wait.
	KnowsAccessToken(word string) bool
}

// loggedID gives the id of a request for the log. One that a client chose may be its access
// token, which no log may have. The reply has it all the same: if it had not, whoever guesses
// tokens would learn that one is right, without being slowed down.
func (s *Server) loggedID(r *record) string {
	id := s.idOf(r)
	if s.tokenKnower != nil && s.tokenKnower.KnowsAccessToken(id) {
		return withheldRequestID
	}
	return id
}

// traceID gives the trace id of a traceparent: version, trace id, parent id and flags, in
// hexadecimal digits. It is "" if there is none.
func traceID(traceParent string) string {
	const traceIDBytes, invalid = 32, "00000000000000000000000000000000"
	version, rest, _ := strings.Cut(traceParent, "-")
	id, _, found := strings.Cut(rest, "-")
	if !found || len(version) != 2 || len(id) != traceIDBytes || id == invalid || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// requestIDs makes the ids of requests that come without one. No two of a server are alike.
// It is safe for concurrent use.
type requestIDs struct {
	seed uint64
	made atomic.Uint64
}

func (r *requestIDs) init() {
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // it does not fail
	r.seed = binary.LittleEndian.Uint64(seed[:])
}

// next gives an id of 16 hexadecimal digits.
func (r *requestIDs) next() string {
	// The numbers that are made are told apart at a glance by being scattered, each to a
	// place of its own (splitmix64).
	n := r.seed + r.made.Add(1)*0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	n ^= n >> 31
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], n)
	var digits [16]byte
	hex.Encode(digits[:], id[:])
	return string(digits[:])
}
