package sqlitebackend_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// fileState is what may not change when a file is only looked at.
type fileState struct {
	Content  string
	Modified time.Time
	Mode     fs.FileMode
}

func statesIn(t *testing.T, folder string, isOpen bool) map[string]fileState {
	t.Helper()
	states := make(map[string]fileState)
	for _, name := range namesIn(t, folder) {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "-shm") && isOpen {
			content = nil // the server changes it, and gives it to all of its process
		}
		states[name] = fileState{string(content), info.ModTime(), info.Mode()}
	}
	return states
}

// copyFiles copies a database and what is beside it, as a process leaves it that dies.
func copyFiles(t *testing.T, from, to string, suffixes ...string) {
	t.Helper()
	for _, suffix := range suffixes {
		content, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// damageRoot overwrites the middle of the page in which a table or an index begins.
func damageRoot(t *testing.T, path, name string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	var page, pageBytes int64
	if err := db.QueryRowContext(t.Context(), "select rootpage from sqlite_schema where name = ?", name).Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRowContext(t.Context(), "pragma page_size").Scan(&pageBytes); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte(strings.Repeat("damage", 100)), (page-1)*pageBytes)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestExamineChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare  func(t *testing.T, path string) uuid.UUID
		isOpen   bool
		thorough bool
		damage   string
		want     error
	}{
		"closed in order": {prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			id, _ := makeSource(t, path, 3)
			return id
		}},
		"open in a server": {isOpen: true, prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			backend := open(t, sqlitebackend.Options{Path: path})
			commit(t, backend, set("in the WAL", "1"))
			return backend.DatabaseID()
		}},
		"left by a server that died": {prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			return leftBehind(t, path, "", "-wal", "-shm")
		}},
		"left without shared memory": {prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			return leftBehind(t, path, "", "-wal")
		}},
		"in the mode of rollbacks, with a journal that is over": {prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			id, _ := makeSource(t, path, 3)
			withSQL(t, path, "pragma journal_mode = delete")
			if err := os.WriteFile(path+"-journal", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return id
		}},
		"looked at thoroughly": {thorough: true, prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			id, _ := makeSource(t, path, 3)
			return id
		}},
		"with damaged pages": {damage: "kv_expiration_ms_idx", prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			id, _ := makeSource(t, path, 3)
			damageRoot(t, path, "kv_expiration_ms_idx")
			return id
		}, want: nil},
		"another program's": {want: sqlitebackend.ErrSchema, prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			withSQL(t, path, "create table users (name text)")
			return uuid.UUID{}
		}},
		"no database": {want: sqlitebackend.ErrDamagedFile, prepare: func(t *testing.T, path string) uuid.UUID {
			t.Helper()
			if err := os.WriteFile(path, []byte(strings.Repeat("no database", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
			return uuid.UUID{}
		}},
		"a write that was cut off": {want: sqlitebackend.ErrUnfinishedWrite, prepare: unfinishedWrite},
		"nothing":                  {want: fs.ErrNotExist, prepare: func(*testing.T, string) uuid.UUID { return uuid.UUID{} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			id := c.prepare(t, path)
			before := statesIn(t, filepath.Dir(path), c.isOpen)
			found, err := sqlitebackend.Examine(t.Context(), path, c.thorough)
			if !errors.Is(err, c.want) {
				t.Fatalf("the error is %v, want %v", err, c.want)
			}
			if err == nil && (found.DatabaseID != id || !found.HasID || found.TablesVersion != sqlitebackend.CurrentTables) {
				t.Errorf("found %+v, want the id %s", found, id)
			}
			if (found.Damage == "") != (c.damage == "") {
				t.Errorf("found the damage %q, want %q", found.Damage, c.damage)
			}
			if diff := cmp.Diff(before, statesIn(t, filepath.Dir(path), c.isOpen)); diff != "" {
				t.Errorf("the folder has changed (-before +after):\n%.2000s", diff)
			}
		})
	}
}

// leftBehind makes what a server leaves that dies.
func leftBehind(t *testing.T, path string, suffixes ...string) uuid.UUID {
	t.Helper()
	living := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: living})
	commit(t, backend, set("in the WAL", "1"))
	copyFiles(t, living, path, suffixes...)
	return backend.DatabaseID()
}

// unfinishedWrite makes what a program leaves that dies while it writes in the mode of
// rollbacks.
func unfinishedWrite(t *testing.T, path string) uuid.UUID {
	t.Helper()
	living := tempPath(t)
	id, _ := makeSource(t, living, 3)
	withSQL(t, living, "pragma journal_mode = delete")
	db, err := sql.Open("sqlite3", living)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	// A cache of one page makes SQLite write to the file before the end.
	for _, statement := range []string{"pragma cache_size = 1", "pragma cache_spill = 1", "begin", "update kv set v = zeroblob(9000)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	copyFiles(t, living, path, "", "-journal")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestExamineEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	makeSource(t, path, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlitebackend.Examine(ctx, path, true); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestExamineSeesWhatIsInTheWAL(t *testing.T) {
	t.Parallel()
	for name, suffixes := range map[string][]string{
		"with shared memory":    {"", "-wal", "-shm"},
		"without shared memory": {"", "-wal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			living, path := tempPath(t), tempPath(t)
			makeSource(t, living, 1)
			withOpenFile(t, living, "update migration_state set version = 4")
			copyFiles(t, living, path, suffixes...)
			if _, err := sqlitebackend.Examine(t.Context(), path, false); !errors.Is(err, sqlitebackend.ErrSchema) {
				t.Errorf("the error is %v: the change in the WAL was not seen", err)
			}
		})
	}
}

// withOpenFile runs a statement on a file that is open, so that it stays in the WAL.
func withOpenFile(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
