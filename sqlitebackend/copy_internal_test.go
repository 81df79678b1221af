package sqlitebackend

import (
	"path/filepath"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// Nobody reads or writes a file while it is copied.
func TestOthersAreKeptOffWhatIsCopied(t *testing.T) {
	t.Parallel()
	for _, journalMode := range []string{"wal", "delete"} {
		t.Run(journalMode, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "kv.sqlite")
			if err := makeDatabase(path); err != nil {
				t.Fatal(err)
			}
			other, err := openConn(path, "rw", "journal_mode = "+journalMode)
			if err != nil {
				t.Fatal(err)
			}
			if err := other.close(); err != nil {
				t.Fatal(err)
			}
			source, err := openToCopy(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := source.close(); err != nil {
					t.Error(err)
				}
			}()
			for _, mode := range []string{"ro", "rw"} {
				other, err := openConn(path, mode+"&_busy_timeout=1")
				if err == nil {
					_, err = other.queryInt("select count(*) from kv")
					_ = other.close()
				}
				if !isSQLiteError(err, sqlite3.ErrBusy) {
					t.Errorf("to read it opened as %s: %v", mode, err)
				}
			}
		})
	}
}
