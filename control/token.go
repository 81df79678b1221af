package control

import (
	"crypto/rand"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
)

// MaxNoteCharacters is the length of the longest note.
const MaxNoteCharacters = 200

// Token is what is known of an access token, which is nothing of the token itself. Times
// are zero for never.
type Token struct {
	ID         string // "t_" and 12 base62 digits
	DatabaseID uuid.UUID
	Scope      access.Scope
	Note       string // of who created it
	CreatedAt  time.Time
	ExpiresAt  time.Time // from when on it is not valid any more; it stays in the list
	RevokedAt  time.Time // it stays in the list
	LastUsedAt time.Time // to the second
	Limits     access.Limits
}

// NewToken is what CreateToken is told of an access token.
type NewToken struct {
	DatabaseID uuid.UUID
	Scope      access.Scope
	Note       string    // see ErrInvalidNote
	ExpiresAt  time.Time // zero for never, see ErrInvalidExpiry
	Limits     access.Limits
	Hash       auth.AccessTokenHash
}

// validate fails for what no token can have.
func (n NewToken) validate() error {
	if _, err := access.ParseScope(string(n.Scope)); err != nil {
		return err
	}
	if !utf8.ValidString(n.Note) || utf8.RuneCountInString(n.Note) > MaxNoteCharacters {
		return ErrInvalidNote
	}
	for _, c := range n.Note {
		if unicode.IsControl(c) {
			return ErrInvalidNote
		}
	}
	if year := n.ExpiresAt.UTC().Year(); !n.ExpiresAt.IsZero() && (year < 1970 || year > 9999) {
		return ErrInvalidExpiry
	}
	return validateTokenLimits(n.Limits)
}

func validateTokenLimits(limits access.Limits) error {
	if limits.FileBytes != 0 {
		return fmt.Errorf("%w: the size of the file is limited for a database, not for a token", access.ErrInvalidLimits)
	}
	return limits.Validate()
}

// newTokenID gives a random id of 71 bits.
func newTokenID() string {
	const (
		prefix = "t_"
		digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		length = len(prefix) + 12
	)
	id := []byte(prefix)
	for len(id) < length {
		var random [1]byte
		_, _ = rand.Read(random[:]) // never fails
		if random[0] < 256/62*62 {  // what is above would make some digits likelier
			id = append(id, digits[random[0]%62])
		}
	}
	return string(id)
}
