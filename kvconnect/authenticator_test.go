package kvconnect_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

var (
	_ kvconnect.Authenticator     = (*testAuthenticator)(nil)
	_ kvconnect.AccessTokenKnower = (*testAuthenticator)(nil)
)

// mistypedPrefix begins the access tokens that a testAuthenticator takes for mistyped.
const mistypedPrefix = "mistyped-"

// testAuthenticator knows the tokens that a test gives it, and forgets none that it
// issues. It is safe for concurrent use.
type testAuthenticator struct {
	mu     sync.RWMutex
	access map[string]*access.Grant // by access token; guarded by mu
	issued map[string]*access.Grant // by data path token; guarded by mu
	names  map[uuid.UUID]string     // of databases; guarded by mu
	now    func() time.Time
}

func newTestAuthenticator() *testAuthenticator {
	return &testAuthenticator{
		access: make(map[string]*access.Grant),
		issued: make(map[string]*access.Grant),
		names:  make(map[uuid.UUID]string),
		now:    time.Now,
	}
}

// admit makes an access token known.
func (a *testAuthenticator) admit(accessToken string, grant *access.Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.access[accessToken] = grant
}

// issue makes a data path token known.
func (a *testAuthenticator) issue(dataPathToken string, grant *access.Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.issued[dataPathToken] = grant
}

// name gives a database a name.
func (a *testAuthenticator) name(id uuid.UUID, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names[id] = name
}

func (a *testAuthenticator) KnowsAccessToken(word string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.access[word] != nil
}

func (a *testAuthenticator) Authorize(_ context.Context, accessToken, database string) (*access.Grant, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	grant := a.access[accessToken]
	switch {
	case grant == nil && strings.HasPrefix(accessToken, mistypedPrefix):
		return nil, protocol.ErrTokenMistyped
	case grant == nil:
		return nil, protocol.ErrInvalidAccessToken
	}
	if err := grant.Err(a.now()); err != nil {
		return nil, err
	}
	if database != "" && database != grant.DatabaseID.String() && database != a.names[grant.DatabaseID] {
		return nil, protocol.ErrUnknownDatabase
	}
	return grant, nil
}

func (a *testAuthenticator) IssueDataPathToken(grant *access.Grant) (token string, expiresAt time.Time, err error) {
	token = uuid.NewString()
	a.issue(token, grant)
	return token, time.Now().Add(24 * time.Hour), nil
}

func (a *testAuthenticator) VerifyDataPathToken(token string) (*access.Grant, error) {
	a.mu.RLock()
	grant := a.issued[token]
	a.mu.RUnlock()
	if grant == nil {
		return nil, protocol.ErrInvalidDataPathToken
	}
	if err := grant.Err(a.now()); err != nil {
		return nil, err
	}
	return grant, nil
}
