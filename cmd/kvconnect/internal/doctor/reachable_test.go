package doctor_test

import (
	"testing"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/doctor"
)

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"0.0.0.0:4512":   "127.0.0.1:4512",
		"[::]:4512":      "[::1]:4512",
		":4512":          "127.0.0.1:4512",
		"127.0.0.1:4512": "127.0.0.1:4512",
		"kv.local:4512":  "kv.local:4512",
		"nothing":        "nothing",
	} {
		if got := doctor.Reachable(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
