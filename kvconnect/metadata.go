package kvconnect

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// supportedVersions lists the protocol versions, the preferred one first. They
// share one shape of metadata and of messages; version 2 brought the headers
// x-denokv-version and x-denokv-database-id, version 3 the watch.
var supportedVersions = []int{3, 2, 1}

// metadataRequest is the body of a metadata exchange. Versions are numbers in
// JSON; what is none of ours need not even be whole.
type metadataRequest struct {
	SupportedVersions *[]float64 `json:"supportedVersions"`
}

// metadataReply has exactly the fields of the specification: @deno/kv refuses
// any other.
type metadataReply struct {
	Version    int                `json:"version"`
	DatabaseID string             `json:"databaseId"`
	Endpoints  []metadataEndpoint `json:"endpoints"`
	Token      string             `json:"token"`
	ExpiresAt  string             `json:"expiresAt"`
}

type metadataEndpoint struct {
	URL         string `json:"url"`
	Consistency string `json:"consistency"`
}

var metadataHead = &transport.Head{Status: http.StatusOK, Fields: []transport.Field{
	// Exactly this type: @deno/kv refuses one with a charset.
	{Name: "Content-Type", Value: "application/json"},
	{Name: "Cache-Control", Value: "no-store"},
}}

// serveMetadata serves the metadata exchange for the database that the access
// token belongs to ("KV Connect, Metadata Exchange").
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request, record *record) (transport.Reply, error) {
	return s.exchangeMetadata(w, r, record, "")
}

// exchangeMetadata serves the metadata exchange for the database of that name or id, in
// the path shape of Deno Deploy; "" stands for the one that the token belongs to.
func (s *Server) exchangeMetadata(w http.ResponseWriter, r *http.Request, record *record, name string) (transport.Reply, error) {
	const op = "metadata exchange"
	grant, err := s.authenticateAccess(r, name)
	if err != nil {
		return transport.Reply{}, fmt.Errorf("%s: %w", op, err)
	}
	record.grant = grant
	body, err := readBody(w, r, protocol.MaxMetadataBodyBytes)
	if err != nil {
		return transport.Reply{}, fmt.Errorf("%s: %w", op, bodyError(err, protocol.MaxMetadataBodyBytes))
	}
	s.received(record, len(body))
	// Not before: who guesses tokens, or sends a body slowly, must not take the places of reads.
	if err := s.enter(record); err != nil {
		return transport.Reply{}, fmt.Errorf("%s: %w", op, err)
	}
	version, err := negotiate(body)
	if err != nil {
		return transport.Reply{}, fmt.Errorf("%s: %w", op, err)
	}
	endpoint, err := s.endpoint.resolve(r)
	if err != nil {
		return transport.Reply{}, fmt.Errorf("%s: %w", op, err)
	}
	token, expiresAt, err := s.options.Auth.IssueDataPathToken(grant)
	if err != nil {
		return transport.Reply{}, fmt.Errorf("%s: issue token: %w", op, err)
	}
	reply, err := json.Marshal(metadataReply{
		Version:    version,
		DatabaseID: grant.DatabaseID.String(),
		Endpoints:  []metadataEndpoint{{URL: endpoint, Consistency: "strong"}},
		Token:      token,
		ExpiresAt:  expiresAt.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return transport.Reply{}, fmt.Errorf("%s: encode: %w", op, err)
	}
	return transport.Reply{Head: metadataHead, Body: reply}, nil
}

// authenticateAccess gives what the access token of a request grants in the database of
// that name. Whoever guesses tokens waits for the answer, and nobody else does.
func (s *Server) authenticateAccess(r *http.Request, name string) (*access.Grant, error) {
	token, err := bearerToken(r.Header)
	if err != nil {
		return nil, err
	}
	grant, err := s.options.Auth.Authorize(r.Context(), token, name)
	if errors.Is(err, protocol.ErrInvalidAccessToken) || errors.Is(err, protocol.ErrTokenMistyped) {
		return nil, s.badTokens.slowDown(r.Context(), s.endpoint.clientAddr(r), err)
	}
	return grant, err
}

// negotiate chooses the highest version that both sides speak. A client that
// sends no body speaks version 1.
func negotiate(body []byte) (version int, err error) {
	offered := []float64{1}
	if len(body) > 0 {
		var request metadataRequest
		if err := json.Unmarshal(body, &request); err != nil || request.SupportedVersions == nil {
			return 0, fmt.Errorf(`%w: send {"supportedVersions":[1,2,3]} or no body at all`, protocol.ErrMalformedRequest)
		}
		offered = *request.SupportedVersions
	}
	for _, version := range supportedVersions {
		if slices.Contains(offered, float64(version)) {
			return version, nil
		}
	}
	return 0, fmt.Errorf("%w, the client %v", protocol.ErrProtocolVersion, offered)
}
