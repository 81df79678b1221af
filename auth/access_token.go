package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
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

const (
	// accessTokenPrefix lets people and secret scanners see what the token is for.
	accessTokenPrefix = "kvc_"

	secretBytes    = 32
	secretDigits   = 43 // in base 62, of secretBytes
	checksumDigits = 6  // in base 62, of a CRC-32

	// oldAccessTokenBytes is the length of the tokens that were generated before
	// they had a checksum.
	oldAccessTokenBytes = len(accessTokenPrefix) + 43
)

// GenerateAccessToken gives a random access token of 256 bits. It matches
// kvc_[0-9A-Za-z]{49}: its last 6 digits are the CRC-32 (IEEE) of all that is
// before them. Digits are in base 62, whose digits are 0-9, a-z, A-Z in this order.
func GenerateAccessToken() string {
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:]) // never fails
	token := accessTokenPrefix + base62(new(big.Int).SetBytes(secret[:]), secretDigits)
	return token + accessTokenChecksum(token)
}

// LooksLikeAccessToken tells whether a text may be a generated access token, whole or cut
// off, so that it must not be repeated where others may read it.
func LooksLikeAccessToken(text string) bool {
	return strings.HasPrefix(text, accessTokenPrefix) && len(text) >= len(accessTokenPrefix)+secretDigits/2
}

// looksMistyped tells whether a token that is none was meant to be a generated one,
// and was not copied as it is. A token that was generated without a checksum is
// never found to be mistyped.
func looksMistyped(token string) bool {
	if !strings.HasPrefix(token, accessTokenPrefix) || len(token) == oldAccessTokenBytes {
		return false
	}
	end := len(accessTokenPrefix) + secretDigits
	return len(token) != end+checksumDigits || token[end:] != accessTokenChecksum(token[:end])
}

func accessTokenChecksum(s string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(s)))), checksumDigits)
}

// base62 writes n with that many digits, which must be enough.
func base62(n *big.Int, digits int) string {
	text := n.Text(62)
	return strings.Repeat("0", digits-len(text)) + text
}
