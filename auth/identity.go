package auth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// MaxIdentityTokenBytes is the longest token of an identity provider that is looked at.
	MaxIdentityTokenBytes = 8 << 10

	// DefaultDatabaseClaim is the claim with the database if no other is named.
	DefaultDatabaseClaim = "kv_database"

	// DefaultScopeClaim is the claim with the scope if no other is named, as in RFC 9068.
	DefaultScopeClaim = "scope"

	// DefaultKeyRefreshInterval is how often the keys of an identity provider are read.
	DefaultKeyRefreshInterval = 15 * time.Minute

	// clockLeeway is how far the clock of the provider may be ahead.
	clockLeeway = time.Minute
)

// ErrProviderOptions is returned for options with which no identity provider can be
// trusted.
var ErrProviderOptions = errors.New("the identity provider is not described completely")

// ProviderOptions describe the user's own identity provider.
type ProviderOptions struct {
	// JWKS is where the provider publishes its keys (a JWK Set, RFC 7517): an http or https
	// URL, or the path of a file. Required.
	JWKS string
	// Issuer is what the claim iss must be, to the letter. Required.
	Issuer string
	// Audience is what the claim aud must be, or contain if it is a list. Required: a
	// token that was made for another program must not open a database here.
	Audience string

	// DatabaseClaim names the claim with the name or id of the database, a string;
	// DefaultDatabaseClaim if empty. The name is taken literally and at the top level: dots
	// and slashes in it have no meaning.
	DatabaseClaim string
	// ScopeClaim names the claim with the scope, as DatabaseClaim does; DefaultScopeClaim if
	// empty. The claim is a string of words with spaces between them, as in OAuth, or a
	// list of such strings. "write" and "kv:write" mean access.ScopeWrite, "read" and
	// "kv:read" mean access.ScopeRead, other words nothing. Write includes read.
	ScopeClaim string

	// RefreshInterval is how often the keys are read; DefaultKeyRefreshInterval if 0.
	RefreshInterval time.Duration
	// Transport carries the requests for a URL; one like http.DefaultTransport if nil.
	Transport http.RoundTripper
	// Now is time.Now if nil.
	Now func() time.Time
	// Logger is told of outages of the provider. Nothing is logged if nil.
	Logger *slog.Logger
}

// Provider verifies access tokens that the user's own identity provider has signed. It is
// an IdentityVerifier, safe for concurrent use.
//
// The keys are read anew in the background. While that fails, those that are known are
// used. A token that names an unknown key has them read early, at most once a minute
// whatever number of such tokens comes. A new key without an id is found at the next
// refresh only.
type Provider struct {
	issuer        string
	databaseClaim string
	scopeClaim    string
	now           func() time.Time
	parser        *jwt.Parser
	keys          *identityKeys
}

// OpenProvider reads the keys of the provider and goes on reading them until Close; ctx
// is for the first time only. It fails with ErrProviderOptions, with ErrKeySet for a file
// without usable keys, with the reason why a file cannot be read, or with the error of
// ctx. A URL that gives no usable keys within 10 seconds is logged and tried again: until
// it gives some, Verify fails with protocol.ErrNoIdentityKeys.
func OpenProvider(ctx context.Context, options ProviderOptions) (*Provider, error) {
	if options.Issuer == "" || options.Audience == "" {
		return nil, fmt.Errorf("%w: both the issuer and the audience of its tokens are needed", ErrProviderOptions)
	}
	if options.DatabaseClaim == "" {
		options.DatabaseClaim = DefaultDatabaseClaim
	}
	if options.ScopeClaim == "" {
		options.ScopeClaim = DefaultScopeClaim
	}
	if options.RefreshInterval <= 0 {
		options.RefreshInterval = DefaultKeyRefreshInterval
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Issuer == issuer {
		// Or data path tokens, which end by themselves, could be exchanged for new ones.
		return nil, fmt.Errorf("%w: the issuer %q is the one of data path tokens, which are no access tokens", ErrProviderOptions, issuer)
	}
	source, err := newKeySource(options.JWKS, options.Transport)
	if err != nil {
		return nil, err
	}
	if remote, ok := source.(urlKeySource); ok && !remote.isProtected() {
		options.Logger.Warn("the keys of the identity provider come without tls: whoever is on the way can replace them",
			"jwks", remote.String())
	}
	keys, err := openIdentityKeys(ctx, source, options)
	if err != nil {
		return nil, err
	}
	return &Provider{
		issuer:        options.Issuer,
		databaseClaim: options.DatabaseClaim,
		scopeClaim:    options.ScopeClaim,
		now:           options.Now,
		parser: jwt.NewParser(
			jwt.WithValidMethods(identityAlgorithms()),
			jwt.WithIssuer(options.Issuer),
			jwt.WithAudience(options.Audience),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithLeeway(clockLeeway),
			jwt.WithTimeFunc(options.Now),
		),
		keys: keys,
	}, nil
}

// Close ends the background refresh and waits for it. Verify still works, with the keys
// that are known.
func (p *Provider) Close() { p.keys.close() }

// Verify checks a token of at most MaxIdentityTokenBytes, signed with RS256, ES256 or
// EdDSA by a key of the provider. It must have the claims iss, aud, exp, sub, and those of
// the database and the scope. nbf and iat, if there, may be a minute in the future; exp
// may not be in the past at all, and is when the Identity expires.
//
// It fails with protocol.ErrInvalidAccessToken or ErrTokenExpired and a text for the
// bearer, with protocol.ErrNoIdentityKeys until there are keys, or with the error of ctx,
// and may take some seconds if the token names an unknown key.
func (p *Provider) Verify(ctx context.Context, token string) (Identity, error) {
	if len(token) > MaxIdentityTokenBytes {
		return Identity{}, refuseIdentity("is longer than %d bytes", MaxIdentityTokenBytes)
	}
	claims := jwt.MapClaims{}
	var keyErr error
	parsed, err := p.parser.ParseWithClaims(token, claims, func(parsed *jwt.Token) (any, error) {
		var key crypto.PublicKey
		key, keyErr = p.keyOf(ctx, parsed, claims)
		return key, keyErr
	})
	if keyErr != nil {
		return Identity{}, keyErr
	}
	if err != nil {
		return Identity{}, explainRefusal(err, parsed, claims)
	}
	return p.identityOf(claims)
}

// keyOf finds the key that the token must be signed with. The claims are not verified yet.
func (p *Provider) keyOf(ctx context.Context, token *jwt.Token, claims jwt.Claims) (crypto.PublicKey, error) {
	if _, critical := token.Header["crit"]; critical {
		return nil, refuseIdentity("has the header crit, of which no extension is known here")
	}
	// Whoever brings the token of another provider is told so, and not that its key is
	// unknown; and it is no reason to ask ours for keys.
	if issuer, err := claims.GetIssuer(); err == nil && issuer != "" && issuer != p.issuer {
		return nil, refuseIdentity("is from another issuer (claim iss)")
	}
	var keyID string
	if named, ok := token.Header["kid"]; ok {
		if keyID, ok = named.(string); !ok {
			return nil, refuseIdentity("has a key id (header kid) that is no string")
		}
	}
	keys := p.keys.known()
	if !keys.has(keyID) {
		if err := p.keys.refreshEarly(ctx); err != nil {
			return nil, fmt.Errorf("wait for the keys of the identity provider: %w", err)
		}
		keys = p.keys.known()
	}
	switch {
	case keys.len() == 0:
		return nil, protocol.ErrNoIdentityKeys
	case keyID == "" && keys.len() > 1:
		return nil, refuseIdentity("does not say which key it is signed with (header kid), and the provider has several")
	case !keys.has(keyID):
		return nil, refuseIdentity("is signed with a key (header kid) that the provider does not publish")
	}
	key := keys.get(keyID, token.Method.Alg())
	if key == nil {
		return nil, refuseIdentity("has an algorithm (header alg) that does not fit its key")
	}
	return key, nil
}
