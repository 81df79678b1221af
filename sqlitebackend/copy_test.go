package sqlitebackend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// makeSource makes a file of keys that take several pages each, and gives its id and
// what it holds.
func makeSource(t *testing.T, path string, keys int) (uuid.UUID, []protocol.Entry) {
	t.Helper()
	backend := open(t, sqlitebackend.Options{Path: path})
	for i := range keys {
		commit(t, backend, setBytes(fmt.Sprintf("key%05d", i), 10_000), setUntil(fmt.Sprint("expiring", i), 1<<50))
	}
	entries := readAll(t, backend)
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	return backend.DatabaseID(), entries
}

// crashed leaves at a new path what a process leaves that dies: a file with a WAL.
func crashed(t *testing.T, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "crashed.sqlite")
	backend := open(t, sqlitebackend.Options{Path: path})
	commit(t, backend, set("in the WAL", "1"))
	for _, beside := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + beside)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+beside, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	return copied
}

// namesIn gives what is in a folder.
func namesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCopy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string) (from string)
		newID   bool
		inWAL   bool
	}{
		"ours": {prepare: func(_ *testing.T, path string) string { return path }},
		"with a WAL that a crash left": {
			prepare: crashed, inWAL: true,
		},
		"made by Deno": {
			prepare: func(t *testing.T, path string) string {
				t.Helper()
				withSQL(t, path, "drop table kvconnect_database")
				return path
			},
			newID: true,
		},
		"with a journal": {
			prepare: func(t *testing.T, path string) string {
				t.Helper()
				withSQL(t, path, "pragma journal_mode = delete")
				return path
			},
		},
		"with other pages": {
			prepare: func(t *testing.T, path string) string {
				t.Helper()
				withSQL(t, path, "pragma journal_mode = delete; pragma page_size = 1024; vacuum; pragma journal_mode = wal")
				return path
			},
		},
		"by a link": {
			prepare: func(t *testing.T, path string) string {
				t.Helper()
				link := filepath.Join(t.TempDir(), "link")
				if err := os.Symlink(path, link); err != nil {
					t.Skip(err)
				}
				return link
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			id, want := makeSource(t, path, 20)
			from := c.prepare(t, path)
			to := filepath.Join(t.TempDir(), "copy.sqlite")
			got, err := sqlitebackend.Copy(t.Context(), from, to)
			if err != nil {
				t.Fatal(err)
			}
			if (got == id) == c.newID || got == uuid.Nil {
				t.Errorf("the id is %s, that of the source %s", got, id)
			}
			if diff := cmp.Diff([]string{"copy.sqlite"}, namesIn(t, filepath.Dir(to))); diff != "" {
				t.Errorf("in the folder of the copy (-want +got):\n%s", diff)
			}
			if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the mode of the copy is %v, %v", info.Mode(), err)
			}
			backend := open(t, sqlitebackend.Options{Path: to})
			if backend.DatabaseID() != got {
				t.Errorf("the copy has the id %s, not %s", backend.DatabaseID(), got)
			}
			if c.inWAL {
				wantValue(t, backend, "in the WAL", "1")
				commit(t, backend, remove("in the WAL"))
			}
			if !cmp.Equal(want, readAll(t, backend)) {
				t.Error("the copy holds something else")
			}
			commit(t, backend, set("key00000", "1"), sum("counter"))

			// The source is as before, and can be opened again.
			source := open(t, sqlitebackend.Options{Path: from})
			if c.inWAL {
				wantValue(t, source, "in the WAL", "1")
				commit(t, source, remove("in the WAL"))
			}
			if !cmp.Equal(want, readAll(t, source)) {
				t.Error("the source holds something else than before")
			}
		})
	}
}

func TestCopyOfOlderTables(t *testing.T) {
	t.Parallel()
	path, to := tempPath(t), tempPath(t)
	withSQL(t, path,
		"create table migration_state (k integer not null primary key, version integer not null)",
		"insert into migration_state values (0, 1)",
		"create table data_version (k integer primary key, version integer not null)",
		"insert into data_version values (0, 7)",
		"create table kv (k blob primary key, v blob not null, v_encoding integer not null, version integer not null) without rowid",
		"insert into kv values (cast('a' as blob), cast('1' as blob), 3, 7)")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := sqlitebackend.ReadDatabaseID(path); found || err != nil {
		t.Errorf("read the id: found %v, error %v", found, err)
	}
	id, err := sqlitebackend.Copy(t.Context(), path, to)
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the source has changed (%v)", err)
	}
	backend := open(t, sqlitebackend.Options{Path: to})
	wantValue(t, backend, "a", "1")
	if v := commit(t, backend, set("b", "1")); v != protocol.VersionstampOf(8) || backend.DatabaseID() != id {
		t.Errorf("the next versionstamp is %s, the id %s and was %s", v, backend.DatabaseID(), id)
	}
}

func TestCopiesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, from, to string)
		want    error
		says    string
	}{
		"no such file": {
			prepare: func(t *testing.T, from, _ string) { t.Helper(); removeFile(t, from) },
			want:    fs.ErrNotExist,
		},
		"a folder": {
			prepare: func(t *testing.T, from, _ string) {
				t.Helper()
				removeFile(t, from)
				if err := os.Mkdir(from, 0o700); err != nil {
					t.Fatal(err)
				}
			},
			says: "it is a folder",
		},
		"empty": {
			prepare: func(t *testing.T, from, _ string) { t.Helper(); overwrite(t, from, "") },
			want:    sqlitebackend.ErrSchema,
			says:    "it is no Deno KV database",
		},
		"of another program": {
			prepare: func(t *testing.T, from, _ string) {
				t.Helper()
				removeFile(t, from)
				withSQL(t, from, "create table users (name)")
			},
			want: sqlitebackend.ErrSchema,
			says: "it is the database of another program",
		},
		"newer tables": {
			prepare: func(t *testing.T, from, _ string) {
				t.Helper()
				withSQL(t, from, "update migration_state set version = 4")
			},
			want: sqlitebackend.ErrSchema,
			says: "use a newer kvconnect",
		},
		"not SQLite": {
			prepare: func(t *testing.T, from, _ string) {
				t.Helper()
				overwrite(t, from, strings.Repeat("no database", 1000))
			},
			want: sqlitebackend.ErrDamagedFile,
		},
		"cut off": {
			prepare: func(t *testing.T, from, _ string) {
				t.Helper()
				content, err := os.ReadFile(from)
				if err != nil {
					t.Fatal(err)
				}
				overwrite(t, from, string(content[:len(content)/4096/2*4096]))
			},
			want: sqlitebackend.ErrDamagedFile,
		},
		"index that does not fit": {
			prepare: func(t *testing.T, from, _ string) {
				t.Helper()
				withSQL(t, from, "pragma writable_schema = on; delete from sqlite_schema where name = 'kv_expiration_ms_idx'")
				withSQL(t, from, "delete from kv", "pragma writable_schema = on; insert into sqlite_schema values "+
					"('index', 'kv_expiration_ms_idx', 'kv', 2, 'create index kv_expiration_ms_idx on kv (expiration_ms)')")
			},
			want: sqlitebackend.ErrDamagedFile,
		},
		"the copy is there": {
			prepare: func(t *testing.T, _, to string) { t.Helper(); overwrite(t, to, "precious") },
			want:    fs.ErrExist,
			says:    "not overwritten",
		},
		"no folder for the copy": {
			prepare: func(t *testing.T, _, to string) { t.Helper(); removeFile(t, filepath.Dir(to)) },
			want:    fs.ErrNotExist,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := tempPath(t), filepath.Join(t.TempDir(), "to", "copy.sqlite")
			if err := os.Mkdir(filepath.Dir(to), 0o700); err != nil {
				t.Fatal(err)
			}
			makeSource(t, from, 20)
			c.prepare(t, from, to)
			before, _ := os.ReadFile(from)
			_, err := sqlitebackend.Copy(t.Context(), from, to)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v, and %q in its text", err, c.want, c.says)
			}
			if after, _ := os.ReadFile(from); !bytes.Equal(before, after) {
				t.Error("the source has changed")
			}
			if content, err := os.ReadFile(to); err == nil && string(content) != "precious" {
				t.Error("there is a copy")
			}
			if _, err := os.Stat(filepath.Dir(to)); err == nil {
				if names := slices.DeleteFunc(namesIn(t, filepath.Dir(to)), func(name string) bool { return name == "copy.sqlite" }); len(names) > 0 {
					t.Errorf("left behind: %v", names)
				}
			}
		})
	}
}

func removeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is open is not copied, whoever has it open and however it is used.
func TestCopyOfAFileInUse(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(t *testing.T, path string) (release func()){
		"by a server": func(t *testing.T, path string) func() {
			t.Helper()
			backend := open(t, sqlitebackend.Options{Path: path})
			return func() { closeNow(t, backend) }
		},
		"by a server that reads only": func(t *testing.T, path string) func() {
			t.Helper()
			keepWAL := open(t, sqlitebackend.Options{Path: path})
			backend := open(t, sqlitebackend.Options{Path: path, ReadOnly: true})
			closeNow(t, keepWAL)
			return func() { closeNow(t, backend) }
		},
		"by a reader of a file with a journal": func(t *testing.T, path string) func() {
			t.Helper()
			withSQL(t, path, "pragma journal_mode = delete")
			return holdSnapshot(t, path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, to := tempPath(t), tempPath(t)
			id, _ := makeSource(t, from, 3)
			release := use(t, from)
			if _, err := sqlitebackend.Copy(t.Context(), from, to); !errors.Is(err, sqlitebackend.ErrFileInUse) {
				t.Errorf("error %v, want ErrFileInUse", err)
			}
			if got, found, err := sqlitebackend.ReadDatabaseID(from); got != id || !found || err != nil {
				t.Errorf("the id is %s (found: %v, error %v), want %s", got, found, err, id)
			}
			if names := namesIn(t, filepath.Dir(to)); len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
			release()
			if got, err := sqlitebackend.Copy(t.Context(), from, to); err != nil || got != id {
				t.Errorf("once it is not in use: id %s, error %v", got, err)
			}
		})
	}
}

// endingContext ends when it was asked so many times whether it has.
type endingContext struct {
	context.Context //nolint:containedctx // it is one
	asks            atomic.Int64
	ended           chan struct{}
}

func (c *endingContext) Done() <-chan struct{} { return c.ended }

func (c *endingContext) Err() error {
	left := c.asks.Add(-1)
	if left == 0 {
		close(c.ended)
	}
	if left <= 0 {
		return context.Canceled
	}
	return nil
}

// A copy that is given up leaves nothing, at whichever point that is.
func TestCopyThatIsGivenUp(t *testing.T) {
	t.Parallel()
	from := tempPath(t)
	makeSource(t, from, 600) // 1800 pages, more than are copied at once
	for asks, done := int64(1), false; !done; asks++ {
		to := tempPath(t)
		ctx := &endingContext{Context: t.Context(), ended: make(chan struct{})}
		ctx.asks.Store(asks)
		_, err := sqlitebackend.Copy(ctx, from, to)
		names := namesIn(t, filepath.Dir(to))
		switch {
		case err == nil && asks == 1:
			t.Fatal("the context was never asked")
		case err == nil:
			done = true
		case !errors.Is(err, context.Canceled):
			t.Fatalf("given up at question %d: %v", asks, err)
		case len(names) > 0:
			t.Fatalf("given up at question %d, left behind: %v", asks, names)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := sqlitebackend.Copy(ctx, from, tempPath(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestReadDatabaseID(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	id, _ := makeSource(t, path, 1)
	before := namesIn(t, filepath.Dir(path))
	if got, found, err := sqlitebackend.ReadDatabaseID(path); got != id || !found || err != nil {
		t.Errorf("the id is %s (found: %v, error %v), want %s", got, found, err, id)
	}
	if diff := cmp.Diff(before, namesIn(t, filepath.Dir(path))); diff != "" {
		t.Errorf("in the folder (-before +after):\n%s", diff)
	}
	withSQL(t, path, "drop table kvconnect_database")
	if got, found, err := sqlitebackend.ReadDatabaseID(path); got != uuid.Nil || found || err != nil {
		t.Errorf("a file of Deno's: %s (found: %v, error %v)", got, found, err)
	}
	other := tempPath(t)
	withSQL(t, other, "create table users (name)")
	if _, _, err := sqlitebackend.ReadDatabaseID(other); !errors.Is(err, sqlitebackend.ErrSchema) {
		t.Errorf("another program's file: %v", err)
	}
	if _, _, err := sqlitebackend.ReadDatabaseID(tempPath(t)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	broken := tempPath(t)
	overwrite(t, broken, strings.Repeat("no database", 1000))
	if _, _, err := sqlitebackend.ReadDatabaseID(broken); !errors.Is(err, sqlitebackend.ErrDamagedFile) {
		t.Errorf("a file that is no database: %v", err)
	}
}
