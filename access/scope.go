package access

import (
	"errors"
	"fmt"
)

// Scope is what a token allows in its database.
type Scope string

const (
	// ScopeRead allows snapshot reads and watches.
	ScopeRead Scope = "read"
	// ScopeWrite allows atomic writes too.
	ScopeWrite Scope = "write"
)

// ErrUnknownScope is returned for a word that names no Scope.
var ErrUnknownScope = errors.New("a scope is one of read and write")

// ParseScope gives the scope of that name, or ErrUnknownScope.
func ParseScope(name string) (Scope, error) {
	switch scope := Scope(name); scope {
	case ScopeRead, ScopeWrite:
		return scope, nil
	default:
		return "", fmt.Errorf("%w, not %q", ErrUnknownScope, name)
	}
}

// MayWrite tells whether atomic writes are allowed.
func (s Scope) MayWrite() bool { return s == ScopeWrite }
