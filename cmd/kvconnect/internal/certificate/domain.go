package certificate

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrDomain is of a text that is no domain which a certificate may be obtained for.
var ErrDomain = errors.New("no domain that a certificate can be obtained for")

const (
	maxDomainBytes = 253
	maxLabelBytes  = 63
)

// ParseDomain gives a domain as it is compared, in small letters. It fails with ErrDomain for
// what no certificate authority can reach by its name.
func ParseDomain(text string) (string, error) {
	domain := strings.ToLower(text)
	labels := strings.Split(domain, ".")
	_, addrErr := netip.ParseAddr(domain)
	switch {
	case strings.HasPrefix(domain, "*."):
		return "", fmt.Errorf("%q: %w: those for all names below one are given over DNS only; name each host, such as kv.example.com", text, ErrDomain)
	case addrErr == nil:
		return "", fmt.Errorf("%q: %w: give a name such as kv.example.com, not an address", text, ErrDomain)
	case strings.ContainsAny(domain, ":/"):
		return "", fmt.Errorf("%q: %w: give the name alone, such as kv.example.com", text, ErrDomain)
	case len(domain) > maxDomainBytes, len(labels) < 2:
		return "", fmt.Errorf("%q: %w: give a whole name such as kv.example.com", text, ErrDomain)
	}
	for _, label := range labels {
		if !isLabel(label) {
			return "", fmt.Errorf("%q: %w: give a name of letters, digits, dots and hyphens, such as kv.example.com; "+
				"one with other letters as DNS has it, beginning with xn--", text, ErrDomain)
		}
	}
	return domain, nil
}

func isLabel(label string) bool {
	if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
