package datadir_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	limits := access.Limits{Watches: 3}
	database, err := f.CreateDatabase(t.Context(), "orders", limits)
	if err != nil || database.Name != "orders" || database.Limits != limits || !database.CreatedAt.Equal(epoch) {
		t.Fatalf("%+v, %v", database, err)
	}
	if id, found, err := sqlitebackend.ReadDatabaseID(f.filePath(database.ID)); id != database.ID || !found || err != nil {
		t.Errorf("the file holds %s, %v, %v", id, found, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context //nolint:containedctx // of one call
		name   string
		limits access.Limits
		want   error
	}{
		"name taken":      {t.Context(), "orders", access.Limits{}, control.ErrNameTaken},
		"path as a name":  {t.Context(), "../orders", access.Limits{}, control.ErrInvalidName},
		"dots":            {t.Context(), "..", access.Limits{}, control.ErrInvalidName},
		"id as a name":    {t.Context(), uuid.NewString(), access.Limits{}, control.ErrInvalidName},
		"no name":         {t.Context(), "", access.Limits{}, control.ErrInvalidName},
		"invalid limits":  {t.Context(), "new", access.Limits{Watches: -1}, access.ErrInvalidLimits},
		"nobody waits":    {cancelled, "new", access.Limits{}, context.Canceled},
		"no room in name": {t.Context(), strings.Repeat("a", 64), access.Limits{}, control.ErrInvalidName},
	} {
		if _, err := f.CreateDatabase(c.ctx, c.name, c.limits); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	wantNames(t, f.path("databases"), database.ID.String()+".sqlite")
	if all := f.Control().Databases(); len(all) != 1 {
		t.Errorf("there are %v", all)
	}
}

// Of those who create a database of one name at the same time, one does.
func TestCreateAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	const n = 4
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := f.CreateDatabase(t.Context(), "orders", access.Limits{})
			errs <- err
		}()
	}
	created := 0
	for range n {
		switch err := <-errs; {
		case err == nil:
			created++
		case !errors.Is(err, control.ErrNameTaken):
			t.Error(err)
		}
	}
	id := f.Control().Databases()[0].ID
	if created != 1 {
		t.Errorf("%d were created", created)
	}
	wantNames(t, f.path("databases"), id.String()+".sqlite")
}

// A database that was renamed is the same one.
func TestRename(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "value")
	if _, err := f.Control().RenameDatabase(t.Context(), id, "sales"); err != nil {
		t.Fatal(err)
	}
	if f.create(t, "orders") == id {
		t.Error("the old name leads to the same database")
	}
	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	database, found := f.Control().FindDatabase("sales")
	if !found || database.ID != id {
		t.Errorf("%+v, %v", database, found)
	}
	f.wantValue(t, id, "value")
}

// full tells whether a database refuses to grow by some hundred kilobytes.
func (f *folder) full(t *testing.T, id uuid.UUID) bool {
	t.Helper()
	database, err := f.Databases().Lend(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Release()
	for range 6 {
		write := setValue(strings.Repeat("a", 50_000))
		key := uuid.New()
		write.Mutations[0].Key = key[:]
		_, err := database.AtomicWrite(t.Context(), write)
		switch {
		case errors.Is(err, protocol.ErrDatabaseFull):
			return true
		case err != nil:
			t.Fatal(err)
		}
	}
	return false
}

const (
	smallFile = 100_000
	largeFile = 10_000_000
)

// The limits of a database hold at once, and after it is opened again; default ones for a
// database without its own.
func TestFileLimits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	withDefault := func(o *datadir.Options) { o.DefaultLimits = access.Limits{FileBytes: smallFile} }
	f := open(t, path, withDefault)
	id := f.create(t, "orders")
	f.mustSet(t, id, "value")
	for _, step := range []struct {
		fileBytes int64
		wantFull  bool
	}{{0, true}, {largeFile, false}, {smallFile, true}, {largeFile, false}, {0, true}} {
		database, err := f.SetDatabaseLimits(t.Context(), id, access.Limits{FileBytes: step.fileBytes})
		if err != nil || database.Limits.FileBytes != step.fileBytes {
			t.Fatalf("%+v, %v", database, err)
		}
		for _, when := range []string{"open", "opened again"} {
			if got := f.full(t, id); got != step.wantFull {
				t.Errorf("%d bytes, %s: full is %v", step.fileBytes, when, got)
			}
			if err := f.Databases().Forget(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.wantValue(t, id, "value")
	if _, err := f.SetDatabaseLimits(t.Context(), id, access.Limits{FileBytes: -1}); !errors.Is(err, access.ErrInvalidLimits) {
		t.Errorf("%v, want ErrInvalidLimits", err)
	}
	if _, err := f.SetDatabaseLimits(t.Context(), uuid.New(), access.Limits{}); !errors.Is(err, control.ErrNoDatabase) {
		t.Errorf("%v, want ErrNoDatabase", err)
	}
	closeDir(t, f)
	f = open(t, path, asIs)
	if f.full(t, id) {
		t.Error("it is full without a limit")
	}
}

// Limits that change while a database is being opened hold.
func TestLimitsChangeDuringOpening(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	for range 10 {
		if _, err := f.SetDatabaseLimits(t.Context(), id, access.Limits{FileBytes: largeFile}); err != nil {
			t.Fatal(err)
		}
		if err := f.Databases().Forget(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		var opening sync.WaitGroup
		begun := make(chan struct{})
		opening.Go(func() {
			close(begun)
			f.wantValue(t, id, "")
		})
		<-begun
		if _, err := f.SetDatabaseLimits(t.Context(), id, access.Limits{FileBytes: smallFile}); err != nil {
			t.Fatal(err)
		}
		opening.Wait()
		if !f.full(t, id) {
			t.Fatal("the limit does not hold")
		}
	}
}

func TestRotateKeys(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.createToken(t, id, "token")
	authority := f.newAuthority(t)
	issue := func() string {
		t.Helper()
		grant, err := authority.Authorize(t.Context(), "token", "")
		if err != nil {
			t.Fatal(err)
		}
		token, _, err := authority.IssueDataPathToken(grant)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	wantValid := func(token, when string, want error) {
		t.Helper()
		if _, err := authority.VerifyDataPathToken(token); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
	}
	first := issue()
	keys, err := f.RotateKeys(t.Context(), false)
	if err != nil || len(keys) != 2 {
		t.Fatalf("%v, %v", keys, err)
	}
	second := issue()
	wantValid(first, "of the old key", nil)
	wantValid(second, "of the new key", nil)

	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	authority = f.newAuthority(t)
	wantValid(first, "of the old key, after a restart", nil)
	wantValid(second, "of the new key, after a restart", nil)
	dropped := 0
	f.OnKeysDropped(func() { dropped++ })
	if keys, err = f.RotateKeys(t.Context(), true); err != nil || len(keys) != 1 || dropped != 1 {
		t.Fatalf("%v, %v, told %d times", keys, err, dropped)
	}
	wantValid(first, "of the first key, which is dropped", protocol.ErrInvalidDataPathToken)
	wantValid(second, "of the second key, which is dropped", protocol.ErrInvalidDataPathToken)
	wantValid(issue(), "of the third key", nil)

	// What could not be saved is not used.
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.RotateKeys(cancelled, true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	third := issue()
	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	authority = f.newAuthority(t)
	wantValid(third, "of the third key, after a restart", nil)
}

func TestStats(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "value")
	stats, path, err := f.Stats(t.Context(), id)
	if err != nil || stats.Keys != 1 || path != f.filePath(id) {
		t.Errorf("%+v, %s, %v", stats, path, err)
	}
	if _, _, err := f.Stats(t.Context(), uuid.New()); !errors.Is(err, protocol.ErrUnknownDatabase) {
		t.Errorf("%v, want ErrUnknownDatabase", err)
	}
}

func TestOpenDatabases(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	first, second := f.create(t, "orders"), f.create(t, "invoices")
	if open := f.OpenDatabases(); len(open) > 0 {
		t.Errorf("%d are open, and none was used", len(open))
	}
	f.mustSet(t, first, "value")
	f.mustSet(t, second, "value")
	f.delete(t, second)
	if open := f.OpenDatabases(); len(open) != 1 || open[0].DatabaseID() != first {
		t.Errorf("%d are open, want %s alone", len(open), first)
	}
}

// A file that is lost or is not that of the database is told of, and left as it is: nothing
// comes back empty. Other databases are served.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id, other := f.create(t, "orders"), f.create(t, "other")
	f.mustSet(t, id, strings.Repeat("a", 50_000))
	f.mustSet(t, other, "value")
	closeDir(t, f)
	files := content(t, f.Path())
	name := filepath.Join("databases", id.String()+".sqlite")
	whole := files[name]
	// A file of Deno's has no id.
	unnamed := newSource(t, id, "value")
	withSQL(t, unnamed, "drop table kvconnect_database")
	for what, data := range map[string]*string{
		"missing":      nil,
		"empty":        new(string),
		"wrong id":     ptr(files[filepath.Join("databases", other.String()+".sqlite")]),
		"no id":        ptr(content(t, filepath.Dir(unnamed))["one.sqlite"]),
		"no database":  ptr("this is no database, but long enough to look at"),
		"cut off":      ptr(whole[:4096]),
		"overwritten":  ptr(whole[:100] + strings.Repeat("x", 8000) + whole[8100:]),
		"header alone": ptr(whole[:100]),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			damaged := make(map[string]string)
			for name, data := range files {
				damaged[name] = data
			}
			delete(damaged, name)
			if data != nil {
				damaged[name] = *data
			}
			f := open(t, newFolderOf(t, damaged), asIs)
			for range 2 {
				_, err := f.Databases().Lend(t.Context(), id)
				if !errors.Is(err, protocol.ErrDamaged) || !strings.Contains(err.Error(), id.String()) {
					t.Fatalf("%v, want ErrDamaged", err)
				}
			}
			if _, _, err := f.Stats(t.Context(), id); !errors.Is(err, protocol.ErrDamaged) {
				t.Errorf("%v, want ErrDamaged", err)
			}
			f.wantValue(t, other, "value")
			if missing := data == nil; strings.Contains(f.log.String(), "the file of a database is missing") != missing {
				t.Errorf("it logged %q", f.log)
			}
			closeDir(t, f)
			after := content(t, f.Path())
			if got, there := after[name]; there != (data != nil) || got != damaged[name] {
				t.Errorf("there is a file: %v, of %d bytes; there was one of %d bytes", there, len(got), len(damaged[name]))
			}

			// Restored from a backup, it is there again.
			writeFile(t, f.filePath(id), whole)
			f = open(t, f.Path(), asIs)
			f.wantValue(t, id, strings.Repeat("a", 50_000))
		})
	}
}

func ptr(s string) *string { return &s }
