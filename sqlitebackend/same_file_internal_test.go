package sqlitebackend

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// What took the place of the file is not taken for it.
func TestFileThatWasReplaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(path string) error
		want   error
	}{
		"same":     {func(string) error { return nil }, nil},
		"replaced": {func(path string) error { return errors.Join(os.Rename(path, path+".old"), makeDatabase(path)) }, protocol.ErrFileMoved},
		"moved":    {func(path string) error { return os.Rename(path, path+".old") }, protocol.ErrFileMoved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "kv.sqlite")
			if err := makeDatabase(path); err != nil {
				t.Fatal(err)
			}
			file, err := sameFileAs(path, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.change(path); err != nil {
				t.Fatal(err)
			}
			opened, err := file.open("ro")
			switch {
			case err == nil && c.want != nil:
				t.Error(errors.Join(errors.New("it was opened"), opened.close()))
			case err == nil:
				if err := opened.close(); err != nil {
					t.Error(err)
				}
			case !errors.Is(err, c.want):
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func makeDatabase(path string) error {
	b, err := Open(Options{Path: path})
	if err != nil {
		return err
	}
	return b.Close()
}
