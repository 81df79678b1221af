package kvconnect

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/transport"
)

// Headers of the data path ("KV Connect, Data Path Protocol").
const (
	headerVersion      = "X-Denokv-Version"
	headerDatabaseID   = "X-Denokv-Database-Id"
	headerDatabaseIDV1 = "X-Transaction-Domain-Id" // of version 1, which has no header for the version
)

// maxVersionBytes is the longest version that an error repeats. What is longer may be a token
// that got into the wrong header.
const maxVersionBytes = 8

// authorize does what all calls of the data path begin with: it checks the token,
// the version, the database, the scope and the quotas, and gives what the token grants.
// The content type is not looked at, because kv-connect-kit sends none.
func (s *Server) authorize(header transport.Header, o *operation) (*access.Grant, error) {
	if s.isDraining() {
		return nil, errDraining
	}
	token, err := bearerToken(header)
	if err != nil {
		return nil, err
	}
	// The token comes first: who has none learns nothing else.
	grant, err := s.options.Auth.VerifyDataPathToken(token)
	if err != nil {
		return nil, err
	}
	id, err := requestedDatabase(header)
	switch {
	case err != nil:
		return nil, err
	case id != grant.DatabaseID:
		// Whether there is another one of that id is not looked up: nobody can tell a
		// database that is not there from one that is somebody else's.
		return nil, protocol.ErrUnknownDatabase
	case o.writes && !grant.Scope.MayWrite():
		return nil, protocol.ErrReadOnlyToken
	}
	return grant, s.countRequest(grant)
}

// requestedDatabase gives the database that a data path call names, in the way
// of the version it is made in.
func requestedDatabase(header transport.Header) (uuid.UUID, error) {
	name := headerDatabaseID
	switch version := header.Get(headerVersion); version {
	case "2", "3":
	case "", "1":
		name = headerDatabaseIDV1
		if header.Get(name) == "" {
			return uuid.UUID{}, fmt.Errorf("%w: send the one from the metadata exchange in %s",
				protocol.ErrProtocolVersion, strings.ToLower(headerVersion))
		}
	default:
		if len(version) > maxVersionBytes {
			return uuid.UUID{}, protocol.ErrProtocolVersion
		}
		return uuid.UUID{}, fmt.Errorf("%w, not %q", protocol.ErrProtocolVersion, version)
	}
	id, err := uuid.Parse(header.Get(name))
	if err != nil {
		return uuid.UUID{}, protocol.ErrInvalidDatabaseID
	}
	return id, nil
}

// bearerToken gives the token of a request.
func bearerToken(header transport.Header) (string, error) {
	scheme, token, found := strings.Cut(header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", protocol.ErrUnauthenticated
	}
	return token, nil
}
