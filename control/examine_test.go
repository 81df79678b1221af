package control_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
)

func TestExamine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string)
		names   []string
		want    error
	}{
		"closed in order": {names: []string{"orders", "payments"}, prepare: func(t *testing.T, path string) {
			t.Helper()
			store := open(t, path, new(clock))
			createDatabase(t, store, "payments")
			createDatabase(t, store, "orders")
			if err := store.SaveKeys(t.Context(), []auth.Key{auth.GenerateKey(new(clock).Now())}); err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}},
		"open": {want: control.ErrInUse, prepare: func(t *testing.T, path string) {
			t.Helper()
			open(t, path, new(clock))
		}},
		"nothing": {want: fs.ErrNotExist, prepare: func(*testing.T, string) {}},
		"no database": {want: control.ErrUnusable, prepare: func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(strings.Repeat("nothing", 200)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"empty": {want: control.ErrUnusable, prepare: func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"a change that was not finished": {want: control.ErrUnusable, prepare: func(t *testing.T, path string) {
			t.Helper()
			if err := open(t, path, new(clock)).Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+"-journal", []byte(strings.Repeat("journal", 200)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"for others to read": {want: control.ErrUnusable, prepare: func(t *testing.T, path string) {
			t.Helper()
			if err := open(t, path, new(clock)).Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			c.prepare(t, path)
			before := sizesIn(t, filepath.Dir(path))
			found, err := control.Examine(t.Context(), path)
			if !errors.Is(err, c.want) {
				t.Fatalf("the error is %v, want %v", err, c.want)
			}
			var names []string
			for _, d := range found.Databases {
				names = append(names, d.Name)
			}
			if diff := cmp.Diff(c.names, names); diff != "" {
				t.Errorf("databases (-want +got):\n%s", diff)
			}
			if err == nil && found.Keys != 1 {
				t.Errorf("there are %d keys", found.Keys)
			}
			if diff := cmp.Diff(before, sizesIn(t, filepath.Dir(path))); diff != "" {
				t.Errorf("the folder has changed (-before +after):\n%s", diff)
			}
		})
	}
}

// sizesIn gives size and time of what is in a folder. Its content must not be read while a
// Store has it open.
func sizesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	sizes := make(map[string]string)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		sizes[entry.Name()] = info.ModTime().String() + " " + info.Mode().String()
	}
	return sizes
}
