package auth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
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

	// maxTokenBytes is above any token issued here; what is longer is not looked
	// at.
	maxTokenBytes = 1024

	issuer = "kvconnect"
)

// Authority knows one access token, which opens every database, and issues and
// verifies data path tokens. It is safe for concurrent use.
type Authority struct {
	accessToken AccessTokenHash
	subject     string // of the data path tokens issued here
	signingKey  ed25519.PrivateKey
	now         func() time.Time
	parser      *jwt.Parser
	verified    *tokenCache
}

// New gives an Authority that accepts the given access token and signs with the
// given key. now is time.Now if nil.
func New(accessToken AccessTokenHash, signingKey ed25519.PrivateKey, now func() time.Time) *Authority {
	if now == nil {
		now = time.Now
	}
	return &Authority{
		accessToken: accessToken,
		subject:     subjectOf(accessToken),
		signingKey:  signingKey,
		now:         now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
			jwt.WithIssuer(issuer),
			jwt.WithSubject(subjectOf(accessToken)),
			jwt.WithExpirationRequired(),
			jwt.WithTimeFunc(now),
		),
		verified: newTokenCache(maxCachedTokens),
	}
}

// subjectOf binds data path tokens to the access token that they were given for:
// with another one they are worth nothing. It tells nothing of the token.
func subjectOf(accessToken AccessTokenHash) string {
	fingerprint := sha256.Sum256(append([]byte("data path subject "), accessToken[:]...))
	return hex.EncodeToString(fingerprint[:8])
}

// VerifyAccessToken fails with protocol.ErrInvalidAccessToken. It takes the same
// time for every wrong token of a length.
func (a *Authority) VerifyAccessToken(token string) error {
	hash := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(hash[:], a.accessToken[:]) != 1 {
		return protocol.ErrInvalidAccessToken
	}
	return nil
}

// IssueDataPathToken gives a token for one database and the time to announce as
// its expiry, which comes well before the true one.
func (a *Authority) IssueDataPathToken(databaseID uuid.UUID) (token string, expiresAt time.Time, err error) {
	now := a.now()
	claims := jwt.RegisteredClaims{
		Issuer:    issuer,
		Subject:   a.subject,
		Audience:  jwt.ClaimStrings{databaseID.String()},
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(tokenLifetime)),
	}
	token, err = jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims).SignedString(a.signingKey)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign data path token: %w", err)
	}
	return token, now.Add(announcedLifetime), nil
}

// VerifyDataPathToken fails with protocol.ErrInvalidDataPathToken unless the
// token was issued by this authority, for this database, and has not expired.
func (a *Authority) VerifyDataPathToken(token string, databaseID uuid.UUID) error {
	if len(token) > maxTokenBytes {
		return protocol.ErrInvalidDataPathToken
	}
	grant, known := a.verified.get(token)
	if !known {
		var err error
		if grant, err = a.verify(token); err != nil {
			return err
		}
		a.verified.put(token, grant)
	}
	if grant.databaseID != databaseID || !a.now().Before(grant.expiresAt) {
		return protocol.ErrInvalidDataPathToken
	}
	return nil
}

// grant is what a valid token says.
type grant struct {
	databaseID uuid.UUID
	expiresAt  time.Time
}

func (a *Authority) verify(token string) (grant, error) {
	var claims jwt.RegisteredClaims
	_, err := a.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) {
		return a.signingKey.Public(), nil
	})
	if err != nil || len(claims.Audience) != 1 {
		return grant{}, protocol.ErrInvalidDataPathToken
	}
	databaseID, err := uuid.Parse(claims.Audience[0])
	if err != nil {
		return grant{}, protocol.ErrInvalidDataPathToken
	}
	return grant{databaseID: databaseID, expiresAt: claims.ExpiresAt.Time}, nil
}
