package auth

import (
	"math/big"
	"strings"
	"testing"
)

func TestBase62HasAllDigits(t *testing.T) {
	t.Parallel()
	largest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 8*secretBytes), big.NewInt(1))
	for name, c := range map[string]struct {
		n      *big.Int
		digits int
		want   string
	}{
		"nothing":              {big.NewInt(0), 3, "000"},
		"one digit":            {big.NewInt(61), 3, "00Z"},
		"two digits":           {big.NewInt(62), 3, "010"},
		"the largest checksum": {big.NewInt(1<<32 - 1), checksumDigits, "4GFfc3"},
		"the largest secret":   {largest, secretDigits, largest.Text(62)},
	} {
		if got := base62(c.n, c.digits); got != c.want || len(got) != c.digits {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A CRC-32 finds each change within 32 successive bits.
func TestMistypedAccessTokensAreRecognised(t *testing.T) {
	t.Parallel()
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_ "
	for range 20 {
		token := GenerateAccessToken()
		if looksMistyped(token) {
			t.Fatalf("the generated token %s looks mistyped", token)
		}
		mistyped := func(kind, wrong string) {
			if wrong != token && !looksMistyped(wrong) {
				t.Errorf("%s: %s for %s is not recognised", kind, wrong, token)
			}
		}
		for i := len(accessTokenPrefix); i < len(token); i++ {
			before, after := token[:i], token[i+1:]
			mistyped("left out", before+after)
			if i != oldAccessTokenBytes { // which may be one that was generated earlier
				mistyped("cut off", before)
			}
			mistyped("doubled", before+token[i:i+1]+token[i:])
			for _, c := range alphabet {
				mistyped("changed", before+string(c)+after)
			}
			if after != "" {
				mistyped("swapped", before+after[:1]+token[i:i+1]+after[1:])
			}
		}
		mistyped("in upper case", accessTokenPrefix+strings.ToUpper(token[len(accessTokenPrefix):]))
		mistyped("with a line break", token+"\n")
	}
}

func TestTokensWithoutAChecksumDoNotLookMistyped(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{
		"none":              "",
		"of another kind":   "abcdefghijkl",
		"a JWT":             "eyJhbGciOiJub25lIn0.e30.",
		"generated earlier": "kvc_" + strings.Repeat("-", 43),
	} {
		if looksMistyped(token) {
			t.Errorf("a token %s looks mistyped", name)
		}
	}
}
