package datadir_test

import (
	"errors"
	"os"
	"testing"

	"github.com/kvconnect/kvconnect/control"
)

// Without its control database the folder cannot be used. A database whose own file is gone
// ails alone.
func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "kept")
	check := func(want error) {
		t.Helper()
		if err := f.Databases().Check(t.Context()); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	check(nil)
	for _, c := range []struct {
		path string
		want error
	}{
		{f.filePath(id), nil},
		{f.path("control.sqlite"), control.ErrMoved},
	} {
		if err := os.Rename(c.path, c.path+".moved"); err != nil {
			t.Fatal(err)
		}
		check(c.want)
		if err := os.Rename(c.path+".moved", c.path); err != nil {
			t.Fatal(err)
		}
		check(nil)
	}
}
