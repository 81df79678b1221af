package access_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/access"
)

func TestParseScope(t *testing.T) {
	t.Parallel()
	for name, mayWrite := range map[string]bool{"read": false, "write": true} {
		scope, err := access.ParseScope(name)
		if err != nil || string(scope) != name || scope.MayWrite() != mayWrite {
			t.Errorf("%q: %q, %v; may write is %v, want %v", name, scope, err, scope.MayWrite(), mayWrite)
		}
	}
	for _, name := range []string{"", "Read", "WRITE", " write", "write ", "read,write", "admin"} {
		scope, err := access.ParseScope(name)
		if !errors.Is(err, access.ErrUnknownScope) || !strings.Contains(err.Error(), `"`+name+`"`) || scope.MayWrite() {
			t.Errorf("%q: %q, %v", name, scope, err)
		}
	}
	if access.Scope("").MayWrite() {
		t.Error("no scope allows writes")
	}
}
