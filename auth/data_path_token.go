package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// announcedLifetime is what clients are told. Deno asks for new metadata
	// about once a minute whatever it says, but asks without a pause once it has
	// passed, so it must outlast any clock that is merely wrong.
	announcedLifetime = 24 * time.Hour

	// tokenLifetime is how long a data path token is valid. @deno/kv goes on
	// with the old token while it fetches a new one, and a client's clock may
	// be behind.
	tokenLifetime = 2 * announcedLifetime

	// clockStep is how far the clock of the server may be set back without making
	// the tokens that it has just issued tokens of the future.
	clockStep = time.Minute

	// maxTokenBytes is above any token issued here; what is longer is not looked
	// at.
	maxTokenBytes = 1024

	issuer = "kvconnect"
)

// dataPathClaims is what a data path token says. All of it is required, but for
// AccessExpiresAt and the registered claims that are not set here.
type dataPathClaims struct {
	// RegisteredClaims has as the audience the id of the database alone, and as the subject
	// the id of the access token.
	jwt.RegisteredClaims
	Scope access.Scope `json:"scope"`
	// AccessExpiresAt is when the access token of an identity expires; nil for never. That
	// of others is known.
	AccessExpiresAt *jwt.NumericDate `json:"access_exp,omitempty"`
}

// errClaimMissing never leaves this file: clients are told
// protocol.ErrInvalidDataPathToken and no more.
var errClaimMissing = errors.New("the data path token lacks a claim that each one has")

// Validate is called by the parser, for what it does not know to be required.
func (c *dataPathClaims) Validate() error {
	if c.IssuedAt == nil || c.Subject == "" || len(c.Audience) != 1 {
		return errClaimMissing
	}
	_, err := access.ParseScope(string(c.Scope))
	return err
}

func newDataPathParser(now func() time.Time) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithIssuer(issuer),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(clockStep), // of the expiry too, which verifiedToken.err does not grant
		jwt.WithTimeFunc(now),
	)
}

// IssueDataPathToken gives a token for the data path, and the time to announce as its
// expiry. The token is valid for longer than that, unless its access token is not.
func (a *Authority) IssueDataPathToken(grant *access.Grant) (token string, expiresAt time.Time, err error) {
	now := a.now()
	claims := dataPathClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   grant.TokenID,
			Audience:  jwt.ClaimStrings{grant.DatabaseID.String()},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(wholeSecond(earlier(now.Add(tokenLifetime), grant.ExpiresAt))),
		},
		Scope: grant.Scope,
	}
	if isIdentityID(grant.TokenID) && !grant.ExpiresAt.IsZero() {
		claims.AccessExpiresAt = jwt.NewNumericDate(grant.ExpiresAt)
	}
	key := a.signing.Load().keys.signing
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &claims)
	unsigned.Header["kid"] = key.ID
	token, err = unsigned.SignedString(key.Private)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign data path token: %w", err)
	}
	return token, now.Add(announcedLifetime), nil
}

// wholeSecond gives the next whole second. In a token there are no others, and one that
// ended a moment before its access token would be called invalid, not expired.
func wholeSecond(t time.Time) time.Time { return t.Add(time.Second - 1).Truncate(time.Second) }

// earlier gives the earlier of two times, of which the second may be zero for never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// VerifyDataPathToken gives the grant that a data path token was issued for, and notes
// that it was used. It fails with protocol.ErrTokenRevoked or ErrTokenExpired if the access
// token is no longer valid, and with protocol.ErrInvalidDataPathToken for all else.
func (a *Authority) VerifyDataPathToken(token string) (*access.Grant, error) {
	if len(token) > maxTokenBytes {
		return nil, protocol.ErrInvalidDataPathToken
	}
	signing := a.signing.Load()
	verified, cached := signing.verified.get(token)
	if cached {
		a.cacheHits.Add(1)
	} else {
		a.cacheMisses.Add(1)
		var err error
		if verified, err = a.verify(signing.keys, token); err != nil {
			return nil, err
		}
	}
	now := a.now()
	if err := verified.err(now); err != nil {
		return nil, err
	}
	if !cached {
		signing.verified.put(token, verified)
	}
	verified.grant.Use(now)
	return verified.grant, nil
}

// err tells what has become of a token since it was verified.
func (v verifiedToken) err(now time.Time) error {
	if err := v.grant.Err(now); err != nil {
		return err
	}
	if !now.Before(v.expiresAt) {
		return protocol.ErrInvalidDataPathToken
	}
	return nil
}

func (a *Authority) verify(keys *KeyRing, token string) (verifiedToken, error) {
	var (
		claims dataPathClaims
		key    verificationKey
	)
	_, err := a.parser.ParseWithClaims(token, &claims, func(unverified *jwt.Token) (any, error) {
		id, _ := unverified.Header["kid"].(string)
		var known bool
		if key, known = keys.verificationKey(id); !known {
			return nil, protocol.ErrInvalidDataPathToken
		}
		return key.public, nil
	})
	// The base64 decoder skips line breaks, which no token issued here has.
	if err != nil || strings.ContainsAny(token, "\r\n") {
		return verifiedToken{}, protocol.ErrInvalidDataPathToken
	}
	grant, err := a.grantOf(&claims)
	if err != nil {
		return verifiedToken{}, protocol.ErrInvalidDataPathToken
	}
	return verifiedToken{grant: grant, expiresAt: earlier(claims.ExpiresAt.Time, key.verifiesUntil())}, nil
}

// grantOf gives the grant that a token with such claims was issued for, if there still is
// one.
func (a *Authority) grantOf(claims *dataPathClaims) (*access.Grant, error) {
	databaseID, err := uuid.Parse(claims.Audience[0])
	if err != nil {
		return nil, err
	}
	var grant *access.Grant
	switch {
	case strings.HasPrefix(claims.Subject, masterIDPrefix):
		if a.master == nil || claims.Subject != a.master.id {
			return nil, protocol.ErrInvalidDataPathToken
		}
		grant, err = a.master.grant(databaseID.String())
	case isIdentityID(claims.Subject):
		if a.identity == nil {
			return nil, protocol.ErrInvalidDataPathToken
		}
		identity := Identity{ID: claims.Subject, Database: databaseID.String(), Scope: claims.Scope}
		if claims.AccessExpiresAt != nil {
			identity.ExpiresAt = claims.AccessExpiresAt.Time
		}
		grant, err = a.external.grant(identity, "")
	default:
		var found bool
		if grant, found = a.registry.GrantByID(claims.Subject); !found {
			return nil, protocol.ErrInvalidDataPathToken
		}
	}
	if err != nil {
		return nil, err
	}
	if grant.DatabaseID != databaseID || grant.Scope != claims.Scope {
		return nil, protocol.ErrInvalidDataPathToken
	}
	return grant, nil
}
