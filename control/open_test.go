package control_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
)

func TestNewFileIsPrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	path := tempPath(t)
	store := open(t, path, new(clock))
	createDatabase(t, store, "orders") // with a journal
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
		if name := entry.Name(); name != "control.sqlite" && name != "control.sqlite-journal" {
			t.Errorf("there is %s", name)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	const ours = `
		insert into databases values ('00000000-0000-4000-8000-000000000001', 'orders', 0, 0, 0, 0);
		insert into tokens values (1, 't_1', zeroblob(32), '00000000-0000-4000-8000-000000000001', 'read', '', 0, 1, null, 1, 0, 0);
		insert into deleted_tokens values ('t_2', zeroblob(32), '00000000-0000-4000-8000-000000000002', 0);
		insert into signing_keys values (1, 'k', zeroblob(32), 0, null);
		pragma foreign_keys = off;`
	write := func(data string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	foreign := func(query string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			withSQL(t, path, query)
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	changed := func(query string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			closeStore(t, open(t, path, new(clock)))
			withSQL(t, path, ours+query)
		}
	}
	mode := func(mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if runtime.GOOS == "windows" {
				t.Skip("there are no modes")
			}
			closeStore(t, open(t, path, new(clock)))
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    error
		text    string
	}{
		"garbage":                {write(strings.Repeat("garbage ", 4096)), control.ErrUnusable, "not an SQLite database; restore it"},
		"little garbage":         {write("garb"), control.ErrUnusable, "not an SQLite database; restore it"},
		"another program's file": {foreign("create table t (a)"), control.ErrUnusable, "move it away"},
		"another program's file in WAL mode": {
			foreign("pragma journal_mode = wal; create table t (a)"), control.ErrUnusable, "move it away",
		},
		"an empty file of another program": {foreign("pragma application_id = 1; vacuum"), control.ErrUnusable, "move it away"},
		"a write-ahead log": {func(t *testing.T, path string) {
			t.Helper()
			changed("")(t, path)
			write("a log")(t, path+"-wal")
		}, control.ErrUnusable, "pragma journal_mode = delete"},
		"a newer version":      {changed("pragma user_version = 2"), control.ErrUnusable, "use a newer kvconnect"},
		"no version":           {changed("pragma user_version = 0"), control.ErrDamaged, "version 0"},
		"readable for all":     {mode(0o644), control.ErrUnusable, "chmod 600 "},
		"readable for a group": {mode(0o640), control.ErrUnusable, "its mode is 0640"},
		"a folder": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, control.ErrUnusable, "not a file"},
		"a part of the file": {func(t *testing.T, path string) {
			t.Helper()
			changed("")(t, path)
			if err := os.Truncate(path, 3*4096); err != nil {
				t.Fatal(err)
			}
		}, control.ErrDamaged, "restore it"},
		"overwritten pages": {func(t *testing.T, path string) {
			t.Helper()
			changed("")(t, path)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			write(string(data[:4096])+strings.Repeat("x", len(data)-4096))(t, path)
		}, control.ErrDamaged, "restore it"},
		"no table":              {changed("drop table signing_keys"), control.ErrDamaged, "signing keys"},
		"a database without id": {changed("update databases set id = 'x'"), control.ErrDamaged, `database "x"`},
		"an impossible name":    {changed("update databases set name = 'A'"), control.ErrDamaged, "a-z"},
		"an impossible limit":   {changed("update databases set watches = -1"), control.ErrDamaged, "-1 watches"},
		"an unknown scope":      {changed("update tokens set scope = 'x'"), control.ErrDamaged, `access token "t_1"`},
		"a short hash":          {changed("update tokens set hash = zeroblob(31)"), control.ErrDamaged, "31 bytes"},
		"an impossible limit of a token": {
			changed("update tokens set requests_per_second = -1"), control.ErrDamaged, "-1 requests per second",
		},
		"a token without database": {changed("delete from databases"), control.ErrDamaged, "no such database"},
		"a deleted token without hash": {
			changed("update deleted_tokens set hash = x''"), control.ErrDamaged, `access token "t_2": its hash has 0 bytes`,
		},
		"a deleted token without database": {changed("update deleted_tokens set database_id = ''"), control.ErrDamaged, `"t_2"`},
		"a short seed":                     {changed("update signing_keys set seed = x'00'"), control.ErrDamaged, "1 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			c.prepare(t, path)
			before := filesIn(t, filepath.Dir(path))
			store, err := control.Open(t.Context(), path, control.Options{})
			if err == nil {
				closeStore(t, store)
			}
			wantError(t, err, c.want, c.text)
			wantError(t, err, c.want, "open control database "+path)
			if diff := cmp.Diff(before, filesIn(t, filepath.Dir(path))); diff != "" {
				t.Errorf("the files are not as they were:\n%s", diff)
			}
		})
	}
}

func TestOddPath(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("such names there are not")
	}
	folder := filepath.Join(t.TempDir(), "a b+c&d=e%20f?g#ä")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "control file.sqlite")
	closeStore(t, open(t, path, new(clock)))
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("there is %v, %v", info, err)
	}
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	_, err := control.Open(t.Context(), filepath.Join(t.TempDir(), "absent", "control.sqlite"), control.Options{})
	wantError(t, err, os.ErrNotExist, "check that the folder exists")
	if _, err := control.Open(t.Context(), "", control.Options{}); err == nil {
		t.Error("no path was a path")
	}
}

func TestEmptyFileIsNew(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	createDatabase(t, open(t, path, new(clock)), "orders")
}

// What is promised of power cuts and of what is deleted hangs on these.
func TestSettings(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	for range 2 { // a new file, and one that was there
		store := open(t, path, new(clock))
		for pragma, want := range map[string]string{
			"synchronous": "2", "journal_mode": "truncate", "locking_mode": "exclusive", "foreign_keys": "1", "secure_delete": "1",
		} {
			if got, err := store.Pragma(t.Context(), pragma); err != nil || got != want {
				t.Errorf("%s is %q, %v, want %q", pragma, got, err, want)
			}
		}
		closeStore(t, store)
	}
}

// Somebody may have put the file in WAL mode with another program.
func TestFileInWALModeIsPutBack(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	first := open(t, path, new(clock))
	createDatabase(t, first, "orders")
	closeStore(t, first)
	withSQL(t, path, "pragma journal_mode = wal")
	second := open(t, path, new(clock))
	createDatabase(t, second, "invoices")
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a write-ahead log: %v", err)
	}
	_, err := control.Open(t.Context(), path, control.Options{})
	wantError(t, err, control.ErrInUse, "")
}

func TestCanceledOpenLeavesNoLock(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := control.Open(ctx, path, control.Options{})
	wantError(t, err, context.Canceled, "")
	open(t, path, new(clock))
}

func TestInUseInTheSameProcess(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	first := open(t, path, new(clock))
	for range 2 {
		_, err := control.Open(t.Context(), path, control.Options{})
		wantError(t, err, control.ErrInUse, "another process")
	}
	createDatabase(t, first, "orders")
	db, err := sql.Open("sqlite3", path+"?_busy_timeout=0")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	err = db.QueryRowContext(t.Context(), "select count(*) from databases").Scan(&n)
	if err == nil || !strings.Contains(err.Error(), "database is locked") {
		t.Errorf("who only reads gets %d, %v", n, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, first)
	open(t, path, new(clock))
}

func TestOnlyOneOpensAtATime(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	const openers = 6
	stores, errs := make([]*control.Store, openers), make([]error, openers)
	var wait sync.WaitGroup
	for i := range openers {
		wait.Go(func() { stores[i], errs[i] = control.Open(t.Context(), path, control.Options{}) })
	}
	wait.Wait()
	opened := 0
	for i, store := range stores {
		if store != nil {
			opened++
			t.Cleanup(func() { closeStore(t, store) })
		} else if !errors.Is(errs[i], control.ErrInUse) {
			t.Error(errs[i])
		}
	}
	if opened > 1 {
		t.Errorf("%d have it open", opened)
	}
}

func TestSecretsAreNotInTheFile(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	store := open(t, path, new(clock))
	d := createDatabase(t, store, "orders")
	tokens := []string{auth.GenerateAccessToken(), auth.GenerateAccessToken()}
	for _, token := range tokens {
		_, err := store.CreateToken(t.Context(), control.NewToken{DatabaseID: d.ID, Scope: access.ScopeRead, Hash: hashOf(token)})
		if err != nil {
			t.Fatal(err)
		}
	}
	old, current := newKey("old", epoch), newKey("current", epoch)
	for _, key := range []auth.Key{old, current} {
		if err := store.SaveKeys(t.Context(), []auth.Key{key}); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, store)
	all := strings.Join(slices.Collect(maps.Values(filesIn(t, filepath.Dir(path)))), "\n")
	for name, c := range map[string]struct {
		secret []byte
		want   bool
	}{
		"the hash of a token":                {hash(tokens[0]), true},
		"the seed of a key":                  {current.Private.Seed(), true},
		"a token":                            {[]byte(tokens[0]), false},
		"another token":                      {[]byte(tokens[1]), false},
		"a token without its prefix":         {[]byte(tokens[0][4:]), false},
		"the seed of a key that is not kept": {old.Private.Seed(), false},
	} {
		if found := strings.Contains(all, string(c.secret)); found != c.want {
			t.Errorf("%s is in the files: %v", name, found)
		}
	}
}

func hash(token string) []byte {
	h := hashOf(token)
	return h[:]
}

// A file that is made, or is as it should be, is no news.
func TestOpenLogsNothingOfAFileInOrder(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	var log bytes.Buffer
	options := control.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for range 2 {
		store, err := control.Open(t.Context(), path, options)
		if err != nil {
			t.Fatal(err)
		}
		closeStore(t, store)
	}
	if log.Len() != 0 {
		t.Errorf("the log is\n%s", &log)
	}
}
