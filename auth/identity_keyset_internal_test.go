package auth

import (
	"errors"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzParseKeySet checks that keys from any document can be used without a panic, and
// that those which are taken can be found.
func FuzzParseKeySet(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[]}`,
		// Keys of RFC 8037 A.2 and RFC 7517 A.1.
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}]}`,
		`{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`,
		`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
	} {
		f.Add([]byte(seed))
	}
	methods := []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodES256, jwt.SigningMethodEdDSA}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet(data)
		if err != nil {
			if !errors.Is(err, ErrKeySet) || set.len() != 0 || set.has("") {
				t.Errorf("%v with %d keys", err, set.len())
			}
			return
		}
		if set.len() == 0 {
			t.Error("a set without keys is no error")
		}
		for name := range set.keys {
			if !set.has(name.id) || set.get(name.id, name.algorithm) == nil && (name.id != "" || set.len() == 1) {
				t.Errorf("the key %q for %s cannot be found", name.id, name.algorithm)
			}
			for _, method := range methods {
				// A bad key may take this for a signature. It must not panic.
				_ = method.Verify("text", make([]byte, 64), set.get(name.id, method.Alg()))
			}
		}
	})
}
