package auth_test

import (
	"errors"
	"regexp"
	"testing"

	"github.com/kvconnect/kvconnect/auth"
)

func TestHashAccessToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token string
		ok    bool
	}{
		"11 characters": {"abcdefghijk", false},
		"12 characters": {"abcdefghijkl", true},
		"generated":     {auth.GenerateAccessToken(), true},
		"with a space":  {"abcdef ghijkl", false},
		"with a break":  {"abcdefghijkl\n", false},
		"not ASCII":     {"äbcdefghijklm", false},
	} {
		if _, err := auth.HashAccessToken(c.token); (err == nil) != c.ok || err != nil && !errors.Is(err, auth.ErrWeakAccessToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGeneratedAccessTokensHaveTheirForm(t *testing.T) {
	t.Parallel()
	form, seen := regexp.MustCompile(`^kvc_[0-9A-Za-z]{49}$`), make(map[string]bool)
	for range 1000 {
		token := auth.GenerateAccessToken()
		if !form.MatchString(token) || seen[token] {
			t.Fatalf("generated %q, before that %d others", token, len(seen))
		}
		if !auth.LooksLikeAccessToken(token) || !auth.LooksLikeAccessToken(token[:40]) || auth.LooksLikeAccessToken(token[:10]) {
			t.Fatalf("%q is not recognised, or too much is", token)
		}
		seen[token] = true
	}
}
