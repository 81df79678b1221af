package kvconnect_test

import (
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
)

// setup is what a test may change of a server before it is made.
type setup struct {
	kvconnect.Options
	databaseID uuid.UUID
	backend    kvconnect.Backend  // of the one database, unless there are others in Options
	auth       *testAuthenticator // unless there is another in Options
	grant      *access.Grant      // of accessToken and dataPathToken
}

// newSetup gives a setup with one database, in which the tokens may do everything.
func newSetup(id uuid.UUID, backend kvconnect.Backend) *setup {
	return &setup{
		databaseID: id, backend: backend, auth: newTestAuthenticator(),
		grant: &access.Grant{TokenID: "t_test", DatabaseID: id, Scope: access.ScopeWrite},
	}
}

// newServer makes the server, as changed.
func (s *setup) newServer(change func(*setup)) *kvconnect.Server {
	change(s)
	s.auth.admit(accessToken, s.grant)
	s.auth.issue(dataPathToken, s.grant)
	if s.Databases == nil {
		s.Databases = kvconnect.OneDatabase(s.databaseID, s.backend)
	}
	if s.Auth == nil {
		s.Auth = s.auth
	}
	return kvconnect.New(s.Options)
}

func asIs(*setup) {}
