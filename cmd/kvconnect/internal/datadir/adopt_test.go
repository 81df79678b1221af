package datadir_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// newSource makes a file of the one-database mode.
func newSource(t testing.TB, id uuid.UUID, value string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "one.sqlite")
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path, NewDatabaseID: id})
	if err != nil {
		t.Fatal(err)
	}
	_, err = backend.AtomicWrite(t.Context(), setValue(value))
	if err := errors.Join(err, backend.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := uuid.New()
	source := newSource(t, id, "value")
	before := content(t, filepath.Dir(source))
	link := filepath.Join(t.TempDir(), "link.sqlite")
	if err := os.Symlink(source, link); err != nil {
		t.Fatal(err)
	}
	limits := access.Limits{Watches: 3}
	database, tokens, err := f.AdoptDatabase(t.Context(), link, "orders", limits, nil)
	if err != nil || len(tokens) != 0 || database.ID != id || database.Name != "orders" || database.Limits != limits {
		t.Fatalf("%+v, %v, %v", database, tokens, err)
	}
	f.wantValue(t, id, "value")
	f.mustSet(t, id, "changed")
	if after := content(t, filepath.Dir(source)); len(after) != len(before) || after["one.sqlite"] != before["one.sqlite"] {
		t.Error("the source was changed")
	}
	wantMode(t, f.filePath(id), 0o600)
	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	f.wantValue(t, id, "changed")
	if log := f.log.String(); log != "" {
		t.Errorf("it logged %s", log)
	}
}

// The access tokens that are named open the database or, if there are none, the one that was
// made for it.
func TestAdoptTokens(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	source := newSource(t, uuid.New(), "value")
	made, named := auth.AccessTokenHash(sha256.Sum256([]byte("made"))), auth.AccessTokenHash(sha256.Sum256([]byte("named")))
	secrets := auth.GenerateSecrets()
	secrets.AccessToken = &made
	if err := secrets.Save(source + ".secrets.json"); err != nil {
		t.Fatal(err)
	}
	adopt := func(hashes ...auth.AccessTokenHash) control.Database {
		t.Helper()
		database, tokens, err := f.AdoptDatabase(t.Context(), source, "orders", access.Limits{}, hashes)
		if err != nil || len(tokens) != 1 {
			t.Fatalf("tokens %v, %v", tokens, err)
		}
		return database
	}
	wantOpens := func(database control.Database, hash auth.AccessTokenHash) {
		t.Helper()
		grant, found := f.Control().GrantByHash(hash)
		if !found || grant.DatabaseID != database.ID || grant.Scope != access.ScopeWrite || grant.Err(epoch) != nil {
			t.Errorf("grant %+v", grant)
		}
	}
	database := adopt(named, named)
	wantOpens(database, named)
	if _, found := f.Control().GrantByHash(made); found {
		t.Error("a token that was given up is valid again")
	}
	f.delete(t, database.ID)
	database = adopt()
	wantOpens(database, made)

	// What was revoked with a database does not come back with it.
	f.delete(t, database.ID)
	again, tokens, err := f.AdoptDatabase(t.Context(), source, "orders", access.Limits{}, nil)
	if !errors.Is(err, control.ErrTokenExists) || len(tokens) != 0 || again.ID != database.ID {
		t.Errorf("%+v, %v, %v", again, tokens, err)
	}
	if grant, _ := f.Control().GrantByHash(made); grant.Err(epoch) == nil {
		t.Error("the token is valid again")
	}
	f.wantValue(t, database.ID, "value")
}

func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	taken := f.create(t, "taken")
	f.mustSet(t, taken, "mine")
	source := newSource(t, uuid.New(), "value")
	foreign := filepath.Join(t.TempDir(), "text")
	writeFile(t, foreign, "this is no database, but long enough to look at")
	whole := content(t, filepath.Dir(source))["one.sqlite"]
	cut := filepath.Join(t.TempDir(), "cut.sqlite")
	writeFile(t, cut, whole[:len(whole)/2])
	exposed := newSource(t, uuid.New(), "value")
	if err := auth.GenerateSecrets().Save(exposed + ".secrets.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(exposed+".secrets.json", 0o644); err != nil {
		t.Fatal(err)
	}
	busy := newSource(t, uuid.New(), "value")
	other, err := sqlitebackend.Open(sqlitebackend.Options{Path: busy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	empty := filepath.Join(t.TempDir(), "empty.sqlite")
	writeFile(t, empty, "")
	for name, c := range map[string]struct {
		path, name string
		want       error
	}{
		"not there":       {filepath.Join(t.TempDir(), "nothing"), "new", fs.ErrNotExist},
		"a folder":        {t.TempDir(), "new", datadir.ErrNoFile},
		"a device":        {os.DevNull, "new", datadir.ErrNoFile},
		"no name":         {source, "No Name", control.ErrInvalidName},
		"name taken":      {source, "taken", control.ErrNameTaken},
		"no database":     {foreign, "new", sqlitebackend.ErrDamagedFile},
		"empty":           {empty, "new", sqlitebackend.ErrSchema},
		"cut off":         {cut, "new", sqlitebackend.ErrDamagedFile},
		"in use":          {busy, "new", sqlitebackend.ErrFileInUse},
		"in use by us":    {f.filePath(taken), "new", sqlitebackend.ErrFileInUse},
		"exposed secrets": {exposed, "new", auth.ErrSecrets},
	} {
		if name == "exposed secrets" && runtime.GOOS == "windows" {
			continue // it has no such modes
		}
		_, tokens, err := f.AdoptDatabase(t.Context(), c.path, c.name, access.Limits{}, nil)
		if !errors.Is(err, c.want) || len(tokens) != 0 {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.AdoptDatabase(cancelled, source, "new", access.Limits{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	if _, _, err := f.AdoptDatabase(t.Context(), source, "new", access.Limits{Watches: -1}, nil); !errors.Is(err, access.ErrInvalidLimits) {
		t.Errorf("%v, want ErrInvalidLimits", err)
	}
	f.wantValue(t, taken, "mine")
	if databases := f.Control().Databases(); len(databases) != 1 {
		t.Errorf("there are %v", databases)
	}
	closeDir(t, f)
	wantNames(t, f.path("databases"), taken.String()+".sqlite")
}

// A database that is there is not replaced by a copy of it.
func TestAdoptTwice(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := uuid.New()
	source := newSource(t, id, "old")
	f.adopt(t, source, "orders")
	f.mustSet(t, id, "new")
	if _, _, err := f.AdoptDatabase(t.Context(), source, "again", access.Limits{}, nil); !errors.Is(err, control.ErrDatabaseExists) {
		t.Errorf("%v, want ErrDatabaseExists", err)
	}
	f.wantValue(t, id, "new")
}

// A file that the control database forgot is neither served nor overwritten nor removed: it
// may be all that is left of a database. It can be adopted where it is.
func TestAdoptStranger(t *testing.T) {
	t.Parallel()
	before := newFolder(t)
	closeDir(t, before)
	old := content(t, before.Path()) // the control database from before there was a database
	f := open(t, before.Path(), asIs)
	id := f.create(t, "orders")
	f.mustSet(t, id, "precious")
	closeDir(t, f)
	writeFile(t, f.path("control.sqlite"), old["control.sqlite"])

	f = open(t, f.Path(), asIs)
	if log := f.log.String(); !strings.Contains(log, "a file belongs to no database") || !strings.Contains(log, id.String()) {
		t.Errorf("it logged %q", log)
	}
	backup := newSource(t, id, "from a backup")
	if _, _, err := f.AdoptDatabase(t.Context(), backup, "orders", access.Limits{}, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want ErrExist", err)
	}
	// What fails after the copy took its place leaves the copy.
	_, _, err := f.AdoptDatabase(t.Context(), f.filePath(id), "orders", access.Limits{Watches: -1}, nil)
	if !errors.Is(err, access.ErrInvalidLimits) {
		t.Errorf("%v, want ErrInvalidLimits", err)
	}
	wantFileValue(t, f.filePath(id), id, "precious")
	if got := f.adopt(t, f.filePath(id), "orders"); got.ID != id {
		t.Errorf("it has the id %s, want %s", got.ID, id)
	}
	f.wantValue(t, id, "precious")
	closeDir(t, f)
	wantNames(t, f.path("databases"), id.String()+".sqlite")
}

// A WAL that was left beside the place of a database is not taken for its own.
func TestAdoptBesideAForeignWAL(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := uuid.New()
	writeFile(t, f.filePath(id)+"-wal", "of another file")
	if _, _, err := f.AdoptDatabase(t.Context(), newSource(t, id, "value"), "orders", access.Limits{}, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want ErrExist", err)
	}
	wantNames(t, f.path("databases"), id.String()+".sqlite-wal")
}

// What a process that was killed had not finished is removed; what looks like it is not.
func TestDraftsAreRemoved(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	closeDir(t, f)
	for _, draft := range []string{"draft-1.json.tmp", "databases/draft-2", "databases/draft-2.3.tmp-wal", "trash/draft-4.json.tmp"} {
		writeFile(t, f.path(draft), "unfinished")
	}
	writeFile(t, f.path("databases", "draft-folder", "file"), "of somebody else")
	open(t, f.Path(), asIs)
	wantNames(t, f.path("databases"), id.String()+".sqlite", "draft-folder")
	wantNames(t, f.path("trash"))
	wantNames(t, f.Path(), "control.sqlite", "control.sqlite-journal", "databases", "trash")
}
