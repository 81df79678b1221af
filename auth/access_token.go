package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// MinAccessTokenBytes is the shortest access token that a user may choose.
const MinAccessTokenBytes = 12

// ErrWeakAccessToken is returned for an access token that cannot be used.
var ErrWeakAccessToken = errors.New("unusable access token")

// AccessTokenHash is the SHA-256 of an access token. It stands for the token
// wherever that is kept or compared.
type AccessTokenHash [sha256.Size]byte

// HashAccessToken gives the hash of a token that a user chose, or
// ErrWeakAccessToken if it is too short or cannot be sent in an HTTP header.
func HashAccessToken(token string) (AccessTokenHash, error) {
	if len(token) < MinAccessTokenBytes {
		return AccessTokenHash{}, fmt.Errorf("%w: it has %d characters, at least %d are needed",
			ErrWeakAccessToken, len(token), MinAccessTokenBytes)
	}
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return AccessTokenHash{}, fmt.Errorf("%w: only visible ASCII characters can be sent in an HTTP header", ErrWeakAccessToken)
		}
	}
	return sha256.Sum256([]byte(token)), nil
}

// accessTokenPrefix lets people and secret scanners see what the token is for.
const accessTokenPrefix = "kvc_"

// GenerateAccessToken gives a random access token of 256 bits.
func GenerateAccessToken() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return accessTokenPrefix + base64.RawURLEncoding.EncodeToString(random[:])
}
