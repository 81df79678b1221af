package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"
)

// Key signs data path tokens. To print one shows no more than its id.
type Key struct {
	// ID names the key in the tokens that it signed. It is KeyID of the public key.
	ID      string
	Private ed25519.PrivateKey `json:"-"`
	// CreatedAt is when the key began to sign; the zero time if nobody knows.
	CreatedAt time.Time
	// RetiredAt is when another key began to sign in its place; the zero time for a key
	// that signs.
	RetiredAt time.Time
}

// String gives the id.
func (k Key) String() string { return k.ID }

// GenerateKey gives a random key.
func GenerateKey(now time.Time) Key {
	public, private, _ := ed25519.GenerateKey(rand.Reader) // never fails with this reader
	return Key{ID: KeyID(public), Private: private, CreatedAt: now}
}

// KeyID gives the id of a key: the thumbprint of its public key (RFC 7638, RFC 8037).
func KeyID(public ed25519.PublicKey) string {
	thumbprint := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`))
	return base64.RawURLEncoding.EncodeToString(thumbprint[:])
}

// keyRetention is how long a retired key verifies: until the last token that it signed
// has run out, and some more, because the time of its retirement was noted before the
// last token was signed.
const keyRetention = tokenLifetime + time.Hour

// verifiesUntil gives the time from which on the key verifies nothing; the zero time for
// never.
func (k Key) verifiesUntil() time.Time {
	if k.RetiredAt.IsZero() {
		return time.Time{}
	}
	return k.RetiredAt.Add(keyRetention)
}

func (k Key) verifies(now time.Time) bool {
	until := k.verifiesUntil()
	return until.IsZero() || now.Before(until)
}

// Rotate gives the keys from now on: a new one that signs, and those that still have
// tokens to verify, retired. With dropOld it gives the new one alone, so that all tokens
// die which a key signed that leaked. It leaves the given keys as they are.
func Rotate(keys []Key, now time.Time, dropOld bool) []Key {
	created := GenerateKey(now)
	if dropOld {
		return []Key{created}
	}
	kept := slices.Clone(keys)
	for i := range kept {
		if kept[i].RetiredAt.IsZero() {
			kept[i].RetiredAt = now
		}
	}
	kept = slices.DeleteFunc(kept, func(k Key) bool { return !k.verifies(now) })
	return append(kept, created)
}
