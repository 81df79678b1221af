package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/protocol"
)

// maxExpiryYear is far enough for a token that never expires, and before any time that
// was given in milliseconds by mistake.
const maxExpiryYear = 9999

// refuseIdentity gives a protocol.ErrInvalidAccessToken that ends with a sentence on the
// token. It must repeat nothing that stands in the token.
func refuseIdentity(format string, args ...any) error {
	return fmt.Errorf("%w: the token of the identity provider %s", protocol.ErrInvalidAccessToken, fmt.Sprintf(format, args...))
}

// explainRefusal turns an error of the parser, whose text may contain parts of the token,
// into one for the bearer. A token is expired only if nothing else is wrong with it.
func explainRefusal(err error, token *jwt.Token, claims jwt.MapClaims) error {
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return refuseIdentity("is not a JWT")
	case token.Method == nil || !slices.Contains(identityAlgorithms(), token.Method.Alg()):
		return refuseIdentity("has an algorithm (header alg) other than %s", strings.Join(identityAlgorithms(), ", "))
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return refuseIdentity("has a signature that is not by the key that it names")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return refuseIdentity("lacks a claim: %s", strings.Join(missingClaims(claims), ", "))
	case errors.Is(err, jwt.ErrInvalidType):
		return refuseIdentity("has a claim of the wrong type among iss, aud, exp, nbf and iat")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return refuseIdentity("is from another issuer (claim iss)")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return refuseIdentity("is made for another audience (claim aud) than this server")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return refuseIdentity("is not valid yet (claim nbf): check the clocks")
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refuseIdentity("is issued in the future (claim iat): check the clocks")
	case errors.Is(err, jwt.ErrTokenExpired):
		return errIdentityExpired()
	default:
		return refuseIdentity("is not valid")
	}
}

func errIdentityExpired() error {
	return fmt.Errorf("%w, or get one from the identity provider", protocol.ErrTokenExpired)
}

// missingClaims names which of the claims that the parser requires are not there.
func missingClaims(claims jwt.MapClaims) (names []string) {
	if issuer, err := claims.GetIssuer(); err == nil && issuer == "" {
		names = append(names, "iss")
	}
	if audience, err := claims.GetAudience(); err == nil && strings.Join(audience, "") == "" {
		names = append(names, "aud")
	}
	if expiry, err := claims.GetExpirationTime(); err == nil && expiry == nil {
		names = append(names, "exp")
	}
	return names
}

// identityOf reads the claims of a token that the parser found valid.
func (p *Provider) identityOf(claims jwt.MapClaims) (Identity, error) {
	expiry, err := claims.GetExpirationTime()
	if err != nil || expiry == nil || expiry.Year() > maxExpiryYear {
		return Identity{}, refuseIdentity("expires at no usable time (claim exp), which is in seconds since 1970")
	}
	// The parser grants clockLeeway, which is meant for nbf and iat alone.
	if !p.now().Before(expiry.Time) {
		return Identity{}, errIdentityExpired()
	}
	subject, ok := claims["sub"].(string)
	if !ok || subject == "" {
		return Identity{}, refuseIdentity("does not say whose it is (claim sub)")
	}
	database, ok := claims[p.databaseClaim].(string)
	if !ok || database == "" {
		return Identity{}, refuseIdentity("has no string with the name or id of a database in the claim %q", p.databaseClaim)
	}
	scope, ok := scopeOf(claims[p.scopeClaim])
	if !ok {
		return Identity{}, refuseIdentity("has none of read, write, kv:read and kv:write in the claim %q", p.scopeClaim)
	}
	return Identity{
		ID:        identityID(p.issuer, subject),
		Database:  database,
		Scope:     scope,
		ExpiresAt: expiry.Time,
	}, nil
}

// identityID gives the same to all tokens of one subject, and tells nothing of it.
func identityID(issuer, subject string) string {
	fingerprint := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return "x_" + hex.EncodeToString(fingerprint[:8])
}

// scopeOf gives the widest scope that a claim names, see ProviderOptions.ScopeClaim.
func scopeOf(claim any) (scope access.Scope, ok bool) {
	var words []string
	switch claim := claim.(type) {
	case string:
		words = strings.Fields(claim)
	case []any:
		for _, element := range claim {
			text, ok := element.(string)
			if !ok {
				return "", false
			}
			words = append(words, strings.Fields(text)...)
		}
	}
	for _, word := range words {
		named, err := access.ParseScope(strings.TrimPrefix(word, "kv:"))
		if err == nil && !scope.MayWrite() {
			scope = named
		}
	}
	return scope, scope != ""
}
