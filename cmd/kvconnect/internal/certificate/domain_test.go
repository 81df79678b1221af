package certificate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/certificate"
)

func TestParseDomain(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for text, want := range map[string]string{
		"kv.example.com":                "kv.example.com",
		"KV.Example.Com":                "kv.example.com",
		"xn--bcher-kva.example":         "xn--bcher-kva.example",
		"1.2.example":                   "1.2.example",
		long + ".example":               long + ".example",
		long + "a.example":              "",
		strings.Repeat("a.", 127) + "a": "", // one byte too long
		strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a",
		"":                              "",
		"localhost":                     "",
		"kv.example.com.":               "",
		".example.com":                  "",
		"kv..example.com":               "",
		"*.example.com":                 "",
		"kv_1.example.com":              "",
		"-kv.example.com":               "",
		"kv-.example.com":               "",
		"bücher.example":                "",
		"kv.example.com:443":            "",
		"https://kv.example.com":        "",
		"10.0.0.1":                      "",
		"::1":                           "",
		"kv example.com":                "",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := certificate.ParseDomain(text)
			if got != want || (want == "") != errors.Is(err, certificate.ErrDomain) {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		})
	}
}
