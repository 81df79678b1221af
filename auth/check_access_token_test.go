package auth_test

import (
	"errors"
	"testing"

	"github.com/kvconnect/kvconnect/auth"
)

func TestCheckAccessToken(t *testing.T) {
	t.Parallel()
	generated := auth.GenerateAccessToken()
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"generated": {generated, nil},
		"cut off":   {generated[:len(generated)-1], auth.ErrMistypedAccessToken},
		"chosen":    {"abcdefghijkl", nil},
		"short":     {"abcdefghijk", auth.ErrWeakAccessToken},
		"none":      {"", auth.ErrWeakAccessToken},
	} {
		if err := auth.CheckAccessToken(c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
