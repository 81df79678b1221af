package inode_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/kvconnect/kvconnect/sqlitebackend/internal/inode"
)

func TestLeads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(path string) error
		want   bool
	}{
		"same":    {func(string) error { return nil }, true},
		"written": {func(path string) error { return os.WriteFile(path, []byte("more"), 0o600) }, true},
		"removed": {os.Remove, false},
		"moved":   {func(path string) error { return os.Rename(path, path+".moved") }, false},
		"replaced": {func(path string) error {
			return errors.Join(os.Rename(path, path+".moved"), os.WriteFile(path, nil, 0o600))
		}, false},
		"put back": {func(path string) error {
			return errors.Join(os.Rename(path, path+".moved"), os.Rename(path+".moved", path))
		}, true},
		"folder moved": {func(path string) error {
			return os.Rename(filepath.Dir(path), filepath.Dir(path)+".moved")
		}, false},
		"linked": {func(path string) error {
			return errors.Join(os.Rename(path, path+".moved"), os.Symlink(path+".moved", path))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "folder", "kv.sqlite")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			found, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			n := inode.NameOf(path, found)
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			want := c.want && runtime.GOOS != "windows"
			if got := n.Leads(); got != want {
				t.Errorf("leads there: %v, want %v", got, want)
			}
			if now, err := os.Stat(path); want != (err == nil && os.SameFile(found, now)) && runtime.GOOS != "windows" {
				t.Errorf("the package os says otherwise, error %v", err)
			}
		})
	}
}

// Each commit looks.
func TestLeadsTakesNoMemory(t *testing.T) { //nolint:paralleltest // AllocsPerRun does not allow it
	path := filepath.Join(t.TempDir(), "kv.sqlite")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	n := inode.NameOf(path, found)
	if allocations := testing.AllocsPerRun(100, func() { n.Leads() }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
