package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrInvalidKeys is returned for keys that cannot make a KeyRing.
var ErrInvalidKeys = errors.New("unusable signing keys")

// KeyRing is the keys of a server at one time. It signs with the newest key that is not
// retired, and verifies with that and with those retired so late that tokens of theirs may
// still be valid. It does not change, so it is safe for concurrent use.
type KeyRing struct {
	signing Key
	keys    []verificationKey // in the order in which they were given
}

type verificationKey struct {
	Key
	public ed25519.PublicKey
}

// NewKeyRing gives a ring of the keys, in any order. It fails with ErrInvalidKeys if none
// of them is for signing, if two are the same, or if one is none or has another's id.
func NewKeyRing(keys []Key) (*KeyRing, error) {
	ring := new(KeyRing)
	for _, key := range keys {
		public, ok := publicKeyOf(key.Private)
		if !ok || key.ID != KeyID(public) {
			return nil, fmt.Errorf("%w: the key with the id %q is not the one that the id was made from", ErrInvalidKeys, key.ID)
		}
		if _, known := ring.verificationKey(key.ID); known {
			return nil, fmt.Errorf("%w: the key with the id %q is there twice", ErrInvalidKeys, key.ID)
		}
		ring.keys = append(ring.keys, verificationKey{Key: key, public: public})
		if key.RetiredAt.IsZero() && (ring.signing.ID == "" || !key.CreatedAt.Before(ring.signing.CreatedAt)) {
			ring.signing = key
		}
	}
	if ring.signing.ID == "" {
		return nil, fmt.Errorf("%w: none of %d is for signing", ErrInvalidKeys, len(keys))
	}
	return ring, nil
}

// publicKeyOf gives the public key of a private one, which repeats it in its second half.
func publicKeyOf(private ed25519.PrivateKey) (public ed25519.PublicKey, ok bool) {
	if len(private) != ed25519.PrivateKeySize || !private.Equal(ed25519.NewKeyFromSeed(private.Seed())) {
		return nil, false
	}
	public, ok = private.Public().(ed25519.PublicKey)
	return public, ok
}

// SigningKeyID is the id of the key that signs.
func (r *KeyRing) SigningKeyID() string { return r.signing.ID }

// verificationKey gives the key with that id. The ids of keys are no secret.
func (r *KeyRing) verificationKey(id string) (verificationKey, bool) {
	i := slices.IndexFunc(r.keys, func(k verificationKey) bool { return k.ID == id })
	if i < 0 {
		return verificationKey{}, false
	}
	return r.keys[i], true
}

// PublicKeySet is a JSON Web Key Set (RFC 7517): who has it can verify data path tokens,
// and cannot make any.
type PublicKeySet struct {
	Keys []PublicKey `json:"keys"`
}

// PublicKey is a JSON Web Key of the curve Ed25519 (RFC 8037).
type PublicKey struct {
	KeyType   string `json:"kty"` // "OKP"
	Curve     string `json:"crv"` // "Ed25519"
	X         string `json:"x"`   // the public key in base64url without padding
	ID        string `json:"kid"`
	Algorithm string `json:"alg"` // "EdDSA"
	Use       string `json:"use"` // "sig"
}

// PublicKeys gives the public keys that verify at that time, the signing one among them.
func (r *KeyRing) PublicKeys(now time.Time) PublicKeySet {
	set := PublicKeySet{Keys: []PublicKey{}}
	for _, key := range r.keys {
		if !key.verifies(now) {
			continue
		}
		set.Keys = append(set.Keys, PublicKey{
			KeyType: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(key.public),
			ID: key.ID, Algorithm: "EdDSA", Use: "sig",
		})
	}
	return set
}
