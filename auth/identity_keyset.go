package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// Sizes of RSA keys in bits. RFC 7518 forbids shorter ones, and longer ones take
// milliseconds for each signature.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// ErrKeySet is returned for a JWK Set that cannot be used.
var ErrKeySet = errors.New("the JWK Set cannot be used")

// identityAlgorithms are those that tokens of an identity provider may be signed with.
func identityAlgorithms() []string {
	return []string{string(jwkset.AlgRS256), string(jwkset.AlgES256), string(jwkset.AlgEdDSA)}
}

// keySet is the usable keys of a JWK Set. It does not change. The nil keySet has none.
type keySet struct {
	keys map[keyName]crypto.PublicKey
	ids  map[string]struct{}
}

// keyName names a key. RFC 7517 lets keys of different types share an id.
type keyName struct{ id, algorithm string }

// parseKeySet takes the public halves of the keys in a JWK Set that are for one of
// identityAlgorithms, and passes over the others, as RFC 7517 asks for. Of two keys with
// the same id and algorithm it takes the first. It fails with ErrKeySet if there are none.
// The error repeats nothing of data.
func parseKeySet(data []byte) (*keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("%w: it is not a JSON object with a list of keys in its member keys", ErrKeySet)
	}
	set := &keySet{keys: make(map[keyName]crypto.PublicKey), ids: make(map[string]struct{})}
	for _, element := range document.Keys {
		name, key, usable := parseKey(element)
		if !usable {
			continue
		}
		if _, taken := set.keys[name]; taken {
			continue
		}
		set.keys[name] = key
		set.ids[name.id] = struct{}{}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("%w: of the %d keys in it none is for signatures with RS256, ES256 or EdDSA", ErrKeySet, len(document.Keys))
	}
	return set, nil
}

func parseKey(data []byte) (name keyName, key crypto.PublicKey, usable bool) {
	var fields jwkset.JWKMarshal
	if err := json.Unmarshal(data, &fields); err != nil {
		return keyName{}, nil, false
	}
	// Certificates play no part in whom we trust, so a flaw of theirs is no reason to do
	// without the key.
	fields.X5U, fields.X5C, fields.X5T, fields.X5TS256 = "", nil, "", ""
	forSignatures := fields.USE == "" || fields.USE == jwkset.UseSig
	forVerifying := len(fields.KEYOPS) == 0 || slices.Contains(fields.KEYOPS, jwkset.KeyOpsVerify)
	if !forSignatures || !forVerifying {
		return keyName{}, nil, false
	}
	parsed, err := jwkset.NewJWKFromMarshal(fields, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return keyName{}, nil, false
	}
	algorithm := algorithmOf(parsed.Key())
	if algorithm == "" || fields.ALG != "" && fields.ALG != algorithm {
		return keyName{}, nil, false
	}
	return keyName{fields.KID, string(algorithm)}, parsed.Key(), true
}

// algorithmOf gives the one of identityAlgorithms that a key is for, "" if there is none.
func algorithmOf(key crypto.PublicKey) jwkset.ALG {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
			return jwkset.AlgRS256
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return jwkset.AlgES256
		}
	case ed25519.PublicKey:
		return jwkset.AlgEdDSA
	}
	return ""
}

// len gives the number of keys.
func (s *keySet) len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// has tells whether there is a key of that id, or any key for the id "", which stands for
// a token that names none.
func (s *keySet) has(id string) bool {
	if id == "" || s == nil {
		return s.len() > 0
	}
	_, has := s.ids[id]
	return has
}

// get gives the key of that id for the algorithm, or nil. The id "" stands for the only
// key of the set.
func (s *keySet) get(id, algorithm string) crypto.PublicKey {
	if id == "" && s.len() == 1 {
		for name, key := range s.keys {
			if name.algorithm == algorithm {
				return key
			}
		}
	}
	return s.keys[keyName{id, algorithm}]
}
