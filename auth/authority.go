package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
)

// Options is what an Authority is made from.
type Options struct {
	Registry Registry
	Keys     *KeyRing
	// Master is the hash of the access token that opens every database; nil for none.
	Master *AccessTokenHash
	// Identity verifies access tokens of another issuer; nil for none.
	Identity IdentityVerifier
	// Now is time.Now if nil.
	Now func() time.Time
}

// Authority decides on access tokens, and issues and verifies data path tokens. It is safe
// for concurrent use.
type Authority struct {
	registry Registry
	master   *masterToken // nil for none
	identity IdentityVerifier
	external *externalGrants
	now      func() time.Time
	parser   *jwt.Parser

	changing sync.Mutex // held while signing is replaced
	signing  atomic.Pointer[signing]

	cacheHits, cacheMisses atomic.Uint64
}

// signing is the keys, and the tokens that were verified with them. It is replaced as one:
// a token that another ring verified must be verified again.
type signing struct {
	keys     *KeyRing
	verified *tokenCache
}

// New gives an Authority.
func New(options Options) *Authority {
	a := &Authority{
		registry: options.Registry,
		identity: options.Identity,
		external: newExternalGrants(options.Registry, maxExternalGrants),
		now:      options.Now,
	}
	if a.now == nil {
		a.now = time.Now
	}
	if options.Master != nil {
		a.master = newMasterToken(*options.Master, options.Registry)
	}
	a.parser = newDataPathParser(a.now)
	a.SetKeys(options.Keys)
	return a
}

// SetKeys signs and verifies with those keys from now on. Data path tokens of a key that is
// not among them are worth nothing once it has returned.
func (a *Authority) SetKeys(keys *KeyRing) {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.signing.Store(&signing{keys: keys, verified: newTokenCache(maxCachedTokens)})
}

// ForgetDatabase revokes what the master token and the identities have been granted in a
// database. It is to be called once the registry does not know the database any more, and
// with no lock held that the registry needs to answer.
func (a *Authority) ForgetDatabase(id uuid.UUID) {
	if a.master != nil {
		a.master.forgetDatabase(id)
	}
	a.external.forgetDatabase(id)

	a.changing.Lock()
	defer a.changing.Unlock()
	old := a.signing.Load()
	a.signing.Store(&signing{keys: old.keys, verified: newTokenCache(maxCachedTokens)})
	// Grants that had no place among those of the identities any more.
	old.verified.forgetDatabase(id)
}

// Authorize checks an access token and gives what it grants in the database of that name or
// id; "" stands for the one that the token belongs to. It fails with
// protocol.ErrInvalidAccessToken, ErrTokenMistyped, ErrTokenRevoked or ErrTokenExpired, and
// with protocol.ErrUnknownDatabase for a database that is not there and for one that the
// token is not for, without a difference in text or time. For a token that has the form of a
// JWT it takes the time of the IdentityVerifier, if there is one, and may fail with
// protocol.ErrUnavailable.
func (a *Authority) Authorize(ctx context.Context, accessToken, database string) (*access.Grant, error) {
	grant, err := a.authorize(ctx, accessToken, canonicalDatabase(database))
	if err != nil {
		return nil, err
	}
	now := a.now()
	if err := grant.Err(now); err != nil {
		return nil, err
	}
	grant.Use(now)
	return grant, nil
}

func (a *Authority) authorize(ctx context.Context, accessToken, database string) (*access.Grant, error) {
	hash := AccessTokenHash(sha256.Sum256([]byte(accessToken)))
	// Both are asked in any case, so that the time does not tell which one knew the token.
	registered, isRegistered := a.registry.GrantByHash(hash)
	isMaster := a.master != nil && a.master.hasHash(hash)
	switch {
	case isRegistered:
		return a.authorizeRegistered(registered, database)
	case isMaster:
		return a.master.grant(database)
	case a.identity != nil && looksLikeJWT(accessToken):
		return a.authorizeIdentity(ctx, accessToken, database)
	case looksMistyped(accessToken):
		return nil, protocol.ErrTokenMistyped
	default:
		return nil, protocol.ErrInvalidAccessToken
	}
}

// KnowsAccessToken tells whether that is an access token, valid or not any more, so that it is
// not written where others read it. It knows nothing of those of an identity provider.
func (a *Authority) KnowsAccessToken(word string) bool {
	hash := AccessTokenHash(sha256.Sum256([]byte(word)))
	_, isRegistered := a.registry.GrantByHash(hash)
	isMaster := a.master != nil && a.master.hasHash(hash)
	return isRegistered || isMaster
}

// authorizeRegistered compares what is asked for with the database of the token. No other
// is looked up, so that nothing can be learned of others.
func (a *Authority) authorizeRegistered(grant *access.Grant, asked string) (*access.Grant, error) {
	if err := grant.Err(a.now()); err != nil {
		return nil, err
	}
	database, found := a.registry.Database(grant.DatabaseID.String())
	if !found || !database.isCalled(asked) {
		return nil, protocol.ErrUnknownDatabase
	}
	return grant, nil
}

// ErrUnsoundIdentity is returned for an Identity that is not what it must be.
var ErrUnsoundIdentity = errors.New("the identity verifier gave no sound identity")

func (a *Authority) authorizeIdentity(ctx context.Context, accessToken, asked string) (*access.Grant, error) {
	identity, err := a.identity.Verify(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	if !identity.isSound() {
		return nil, ErrUnsoundIdentity
	}
	return a.external.grant(identity, asked)
}
