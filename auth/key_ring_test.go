package auth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/auth"
)

// documentedKey is the one of RFC 8037, appendix A, where its public key and thumbprint
// stand too.
func documentedKey(t *testing.T) auth.Key {
	t.Helper()
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	if err != nil {
		t.Fatal(err)
	}
	return auth.Key{ID: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", Private: ed25519.NewKeyFromSeed(seed), CreatedAt: startOfClocks}
}

func idsOf(keys []auth.Key) (ids []string) {
	for _, key := range keys {
		ids = append(ids, key.ID)
	}
	return ids
}

func TestPublicKeysAreAJSONWebKeySet(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(ringOf(t, documentedKey(t)).PublicKeys(startOfClocks))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",` +
		`"kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","alg":"EdDSA","use":"sig"}]}`
	if string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestAKeyIsNotShown(t *testing.T) {
	t.Parallel()
	key := documentedKey(t)
	var text, encoded strings.Builder
	slog.New(slog.NewTextHandler(&text, nil)).Info("one", "key", key)
	slog.New(slog.NewJSONHandler(&encoded, nil)).Info("one", "key", key)
	inBase64, inDecimal := base64.StdEncoding.EncodeToString(key.Private), fmt.Sprintf("%d", key.Private.Seed()[:4])
	for name, shown := range map[string]string{
		"as text": text.String(), "as JSON": encoded.String(), "printed": fmt.Sprintf("%+v", []auth.Key{key}),
	} {
		if !strings.Contains(shown, key.ID) || strings.Contains(shown, inBase64) || strings.Contains(shown, strings.Trim(inDecimal, "[]")) {
			t.Errorf("%s: %s", name, shown)
		}
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	now := startOfClocks
	signing := auth.GenerateKey(now.Add(-time.Hour))
	retired := func(ago time.Duration) auth.Key {
		key := auth.GenerateKey(now.Add(-1000 * time.Hour))
		key.RetiredAt = now.Add(-ago)
		return key
	}
	late, early := retired(48*time.Hour), retired(49*time.Hour)
	given := []auth.Key{early, late, signing}
	before := slices.Clone(given)

	rotated := auth.Rotate(given, now, false)
	if diff := cmp.Diff(before, given); diff != "" {
		t.Errorf("the given keys were changed:\n%s", diff)
	}
	if len(rotated) != 3 || !slices.Equal(idsOf(rotated)[:2], []string{late.ID, signing.ID}) {
		t.Fatalf("rotated to %v, want %v and %v and a new one", rotated, late, signing)
	}
	if !rotated[0].RetiredAt.Equal(late.RetiredAt) || !rotated[1].RetiredAt.Equal(now) || !rotated[2].RetiredAt.IsZero() {
		t.Errorf("retired at %v, %v, %v", rotated[0].RetiredAt, rotated[1].RetiredAt, rotated[2].RetiredAt)
	}
	if !rotated[2].CreatedAt.Equal(now) || slices.Contains(idsOf(given), rotated[2].ID) {
		t.Errorf("the new key is %v of %v", rotated[2], rotated[2].CreatedAt)
	}
	if got := ringOf(t, rotated...).SigningKeyID(); got != rotated[2].ID {
		t.Errorf("key %s signs, want the new one %s", got, rotated[2].ID)
	}

	dropped := auth.Rotate(given, now, true)
	if len(dropped) != 1 || slices.Contains(idsOf(given), dropped[0].ID) {
		t.Errorf("dropping old ones leaves %v, want one new key", dropped)
	}
	if first := auth.Rotate(nil, now, false); len(first) != 1 {
		t.Errorf("rotating no keys gives %v, want one", first)
	}
}

func TestTheNewestKeySigns(t *testing.T) {
	t.Parallel()
	first, second := auth.GenerateKey(startOfClocks), auth.GenerateKey(startOfClocks.Add(time.Second))
	retired := auth.GenerateKey(startOfClocks.Add(time.Minute))
	retired.RetiredAt = startOfClocks.Add(time.Hour)
	for _, keys := range [][]auth.Key{{first, second, retired}, {retired, second, first}} {
		if got := ringOf(t, keys...).SigningKeyID(); got != second.ID {
			t.Errorf("of %v, %s signs, want %s", keys, got, second.ID)
		}
	}
}

func TestPublicKeysAreThoseThatVerify(t *testing.T) {
	t.Parallel()
	old := auth.GenerateKey(startOfClocks)
	keys := auth.Rotate([]auth.Key{old}, startOfClocks, false)
	ring := ringOf(t, keys...)
	for after, want := range map[time.Duration]int{0: 2, 48 * time.Hour: 2, 49*time.Hour - 1: 2, 49 * time.Hour: 1} {
		if got := ring.PublicKeys(startOfClocks.Add(after)).Keys; len(got) != want {
			t.Errorf("after %v: %d public keys, want %d", after, len(got), want)
		}
	}
}

func TestKeysThatMakeNoRing(t *testing.T) {
	t.Parallel()
	key, other := auth.GenerateKey(startOfClocks), auth.GenerateKey(startOfClocks)
	retired := key
	retired.RetiredAt = startOfClocks
	renamed := key
	renamed.ID = other.ID
	short := key
	short.Private = key.Private[:ed25519.SeedSize]
	mixed := key
	mixed.Private = slices.Concat(key.Private[:ed25519.SeedSize], other.Private[ed25519.SeedSize:])
	for name, keys := range map[string][]auth.Key{
		"none":                     nil,
		"all retired":              {retired},
		"one twice":                {key, key},
		"one with another's id":    {renamed},
		"one without an id":        {{Private: key.Private}},
		"half a key":               {short},
		"no key":                   {{ID: key.ID}},
		"halves of different":      {mixed},
		"a good one and a bad one": {other, short},
	} {
		if _, err := auth.NewKeyRing(keys); !errors.Is(err, auth.ErrInvalidKeys) {
			t.Errorf("%s: %v, want ErrInvalidKeys", name, err)
		}
	}
}
