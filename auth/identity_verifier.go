package auth

import (
	"context"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/access"
)

// IdentityVerifier knows access tokens that another issuer signed. It is safe for
// concurrent use.
type IdentityVerifier interface {
	// Verify gives what the token says. It fails with protocol.ErrInvalidAccessToken or
	// protocol.ErrTokenExpired, and with protocol.ErrUnavailable if it cannot tell now.
	Verify(ctx context.Context, token string) (Identity, error)
}

// Identity is somebody whom another issuer vouches for, and what they may do.
type Identity struct {
	// ID is "x_" and 1 to MaxIdentityIDBytes-2 of the characters 0-9 A-Z a-z _ and -. It is
	// the same for all tokens of one subject of one issuer.
	ID string
	// Database is the name or the id of the only database that the token is for.
	Database string
	Scope    access.Scope
	// ExpiresAt is when the token stops being valid; the zero time for never.
	ExpiresAt time.Time
}

// MaxIdentityIDBytes is the longest that the ID of an Identity may be: it is in each of
// its data path tokens.
const MaxIdentityIDBytes = 128

const (
	identityIDPrefix     = "x_"
	identityIDCharacters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
)

// isSound tells whether the verifier kept to what is said above.
func (i Identity) isSound() bool {
	_, err := access.ParseScope(string(i.Scope))
	return err == nil && isIdentityID(i.ID) && len(i.ID) > len(identityIDPrefix) && len(i.ID) <= MaxIdentityIDBytes &&
		strings.Trim(i.ID, identityIDCharacters) == ""
}

func isIdentityID(tokenID string) bool { return strings.HasPrefix(tokenID, identityIDPrefix) }

// looksLikeJWT tells whether the token has the form of a signed JWT.
func looksLikeJWT(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2
}
