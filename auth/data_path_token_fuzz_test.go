package auth_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

// Whatever is sent, only the very tokens that were issued are accepted, with the grant that
// they were issued for.
func FuzzVerifyDataPathToken(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public, ok := private.Public().(ed25519.PublicKey)
	if !ok {
		f.Fatal("no public key")
	}
	master := hashOf(f, masterToken)
	a := auth.New(auth.Options{
		Registry: auth.NewOneDatabase(uuid.Max, "", nil),
		Keys:     ringOf(f, auth.Key{ID: auth.KeyID(public), Private: private}),
		Master:   &master,
		Identity: vouchFor(&auth.Identity{ID: "x_somebody", Database: uuid.Max.String(), Scope: access.ScopeRead}),
		Now:      newClock().Now, // which gives the same tokens to all processes
	})
	issued := make(map[string]*access.Grant)
	for _, accessToken := range []string{masterToken, externalToken} {
		grant := authorize(f, a, accessToken, "")
		token, _ := issue(f, a, grant)
		issued[token] = grant
		parts := strings.Split(token, ".")
		f.Add(token)
		f.Add(token + "\n")
		f.Add(parts[0] + "." + parts[1] + ".")
		f.Add("eyJhbGciOiJub25lIn0." + parts[1] + ".")
		f.Add("eyJhbGciOiJFZERTQSJ9." + parts[1] + "." + parts[2])
	}
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		grant, err := a.VerifyDataPathToken(token)
		if want := issued[token]; grant != want || (err == nil) != (want != nil) || err != nil && !errors.Is(err, protocol.ErrInvalidDataPathToken) {
			t.Errorf("%q: %v, %v", token, grant, err)
		}
	})
}
