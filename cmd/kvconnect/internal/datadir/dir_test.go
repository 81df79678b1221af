package datadir_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
	"go.uber.org/goleak"
)

var otherPath = flag.String("other.path", "", "the folder that TestOtherProcess opens, for the test that starts it")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// epoch is when the clocks of tests begin.
var epoch = time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// clock is a clock that a test moves. The zero clock shows epoch.
type clock struct{ sinceEpoch atomic.Int64 }

func (c *clock) Now() time.Time          { return epoch.Add(time.Duration(c.sinceEpoch.Load())) }
func (c *clock) Advance(d time.Duration) { c.sinceEpoch.Add(int64(d)) }

// logged is what was logged. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// folder is an open Dir with what it was opened with.
type folder struct {
	*datadir.Dir
	clock *clock
	log   *logged
}

// path gives the path of something in the folder.
func (f *folder) path(names ...string) string {
	return filepath.Join(append([]string{f.Path()}, names...)...)
}

func (f *folder) filePath(id uuid.UUID) string { return f.path("databases", id.String()+".sqlite") }

func asIs(*datadir.Options) {}

// open opens the folder at path, and closes it when the test ends.
func open(t testing.TB, path string, change func(*datadir.Options)) *folder {
	t.Helper()
	f := &folder{clock: new(clock), log: new(logged)}
	options := datadir.Options{
		Path: path, Create: true, Now: f.clock.Now, Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	change(&options)
	dir, err := datadir.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	f.Dir = dir
	t.Cleanup(func() { closeDir(t, f) })
	return f
}

func closeDir(t testing.TB, f *folder) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func newFolder(t testing.TB) *folder {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "data"), asIs)
}

func (f *folder) create(t testing.TB, name string) uuid.UUID {
	t.Helper()
	database, err := f.CreateDatabase(t.Context(), name, access.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return database.ID
}

func (f *folder) delete(t testing.TB, id uuid.UUID) datadir.Deleted {
	t.Helper()
	deleted, err := f.DeleteDatabase(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return deleted
}

func (f *folder) adopt(t testing.TB, path, name string) control.Database {
	t.Helper()
	database, _, err := f.AdoptDatabase(t.Context(), path, name, access.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return database
}

// purge empties the trash.
func (f *folder) purge(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.KeepHouse(ctx) // once, and no more
}

func (f *folder) createToken(t testing.TB, id uuid.UUID, token string) control.Token {
	t.Helper()
	created, err := f.Control().CreateToken(t.Context(), control.NewToken{
		DatabaseID: id, Scope: access.ScopeWrite, Hash: sha256.Sum256([]byte(token)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// set writes a value under the key 1.
func (f *folder) set(ctx context.Context, id uuid.UUID, value string) error {
	database, err := f.Databases().Lend(ctx, id)
	if err != nil {
		return err
	}
	defer database.Release()
	output, err := database.AtomicWrite(ctx, setValue(value))
	if err == nil && output.Status != protocol.AtomicWriteCommitted {
		err = errors.New("the write was not made")
	}
	return err
}

func setValue(value string) protocol.AtomicWrite {
	return protocol.AtomicWrite{Mutations: []protocol.Mutation{{
		Type: protocol.MutationSet, Key: []byte{1}, Value: protocol.Value{Encoding: protocol.EncodingBytes, Data: []byte(value)},
	}}}
}

func (f *folder) mustSet(t testing.TB, id uuid.UUID, value string) {
	t.Helper()
	if err := f.set(t.Context(), id, value); err != nil {
		t.Fatal(err)
	}
}

// wantValue checks what is under the key 1.
func (f *folder) wantValue(t testing.TB, id uuid.UUID, want string) {
	t.Helper()
	database, err := f.Databases().Lend(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer database.Release()
	output, err := database.SnapshotRead(t.Context(), protocol.SnapshotRead{
		Ranges: []protocol.ReadRange{{Start: []byte{1}, End: []byte{2}, Limit: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, entry := range output.Ranges[0] {
		got = string(entry.Value.Data)
	}
	if got != want {
		t.Errorf("the database has %q, want %q", got, want)
	}
}

// content gives all files of a folder by their path in it.
func content(t testing.TB, folder string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, nameErr := filepath.Rel(folder, path)
		files[name] = string(data)
		return errors.Join(err, nameErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// newFolderOf makes a folder with these files.
func newFolderOf(t testing.TB, files map[string]string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "data")
	for name, data := range files {
		writeFile(t, filepath.Join(path, name), data)
	}
	return path
}

func writeFile(t testing.TB, path, data string) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(data), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has the mode %04o, want %04o", path, got, want)
	}
}

func wantNames(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	slices.Sort(want) // as ReadDir does; some are random
	if !slices.Equal(got, want) {
		t.Errorf("in %s there are %q, want %q", folder, got, want)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	wantMode(t, f.Path(), 0o700)
	wantMode(t, f.path("databases"), 0o700)
	wantMode(t, f.path("trash"), 0o700)
	wantMode(t, f.path("control.sqlite"), 0o600)
	if keys := f.Control().Keys(); len(keys) != 1 || !keys[0].CreatedAt.Equal(epoch) {
		t.Errorf("there are the keys %v", keys)
	}
	if err := f.Databases().Check(t.Context()); err != nil {
		t.Error(err)
	}
	id := f.create(t, "orders")
	f.mustSet(t, id, "kept")
	before := f.Control().Keys()
	closeDir(t, f)
	f = open(t, f.Path(), func(o *datadir.Options) { o.Create = false })
	f.wantValue(t, id, "kept")
	if after := f.Control().Keys(); len(after) != 1 || after[0].ID != before[0].ID {
		t.Errorf("the keys were %v and are %v", before, after)
	}
	if log := f.log.String(); log != "" {
		t.Errorf("there is nothing to tell, but it logged %s", log)
	}
}

// A path that was mistyped is told of, and nothing is made there.
func TestOpenMakesNoFolderUnasked(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	missing := filepath.Join(t.TempDir(), "nothing")
	for _, path := range []string{missing, empty} {
		_, err := datadir.Open(t.Context(), datadir.Options{Path: path})
		if !errors.Is(err, datadir.ErrNoFolder) {
			t.Errorf("%s: %v, want ErrNoFolder", path, err)
		}
	}
	wantNames(t, empty)
	if exists(missing) {
		t.Error("the folder was made")
	}
}

// Databases without the control database that knows them are not taken for none.
func TestOpenWithoutControl(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	closeDir(t, f)
	data := content(t, f.Path())[filepath.Join("databases", id.String()+".sqlite")]
	for name, files := range map[string]map[string]string{
		"lost":            {"databases/" + id.String() + ".sqlite": data},
		"empty":           {"databases/" + id.String() + ".sqlite": data, "control.sqlite": ""},
		"lost, all trash": {"trash/" + id.String() + "-20300102T030405.678Z.sqlite": data},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newFolderOf(t, files)
			for _, create := range []bool{false, true} {
				_, err := datadir.Open(t.Context(), datadir.Options{Path: path, Create: create})
				if !errors.Is(err, datadir.ErrNoControl) {
					t.Errorf("%v, want ErrNoControl", err)
				}
			}
			after := content(t, path)
			if len(after) != len(files) || after["control.sqlite"] != "" {
				t.Errorf("files were made: %d, there were %d", len(after), len(files))
			}
		})
	}
}

// openElsewhere has another process open the folder, and gives what it said.
func openElsewhere(t *testing.T, path string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$", "-test.v", "-other.path="+path)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return string(output)
}

// TestOtherProcess is the process that openElsewhere starts.
func TestOtherProcess(t *testing.T) {
	t.Parallel()
	if *otherPath == "" {
		t.Skip("it is for other tests")
	}
	dir, err := datadir.Open(t.Context(), datadir.Options{Path: *otherPath})
	if errors.Is(err, control.ErrInUse) {
		t.Log("it is in use")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log("it is free")
	if err := dir.Close(); err != nil {
		t.Error(err)
	}
}

// One process at a time has the folder, whatever that one does to its files. To be refused
// changes nothing.
func TestInUse(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.mustSet(t, f.create(t, "orders"), "value")
	if _, err := f.WriteAdminAccess(datadir.AdminAccess{URL: "http://127.0.0.1:1", Token: "secret"}); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Open(t.Context(), datadir.Options{Path: f.Path()}); !errors.Is(err, control.ErrInUse) {
		t.Errorf("in this process: %v, want ErrInUse", err)
	}
	wantInUse := func(when string) {
		t.Helper()
		if said := openElsewhere(t, f.Path()); !strings.Contains(said, "it is in use") {
			t.Errorf("%s: %s", when, said)
		}
	}
	wantInUse("at first")
	if _, _, err := f.AdoptDatabase(t.Context(), f.path("control.sqlite"), "stolen", access.Limits{}, nil); err == nil {
		t.Error("the control database was adopted")
	}
	f.delete(t, f.create(t, "other"))
	wantInUse("after files came and went")
	if _, err := datadir.ReadAdminAccess(f.Path()); err != nil {
		t.Errorf("the way to the server was removed: %v", err)
	}
	closeDir(t, f)
	if said := openElsewhere(t, f.Path()); !strings.Contains(said, "it is free") {
		t.Errorf("after Close: %s", said)
	}
}

// After Close the folder belongs to others.
func TestClosed(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	gone := f.delete(t, f.create(t, "gone"))
	source := newSource(t, uuid.New(), "value")
	closeDir(t, f)
	closeDir(t, f)
	before := content(t, f.Path())
	f.clock.Advance(datadir.DefaultTrashRetention)
	for name, change := range map[string]func() error{
		"create": func() error { _, err := f.CreateDatabase(t.Context(), "new", access.Limits{}); return err },
		"adopt": func() error {
			_, _, err := f.AdoptDatabase(t.Context(), source, "new", access.Limits{}, nil)
			return err
		},
		"delete": func() error { _, err := f.DeleteDatabase(t.Context(), id); return err },
		"limits": func() error { _, err := f.SetDatabaseLimits(t.Context(), id, access.Limits{Watches: 1}); return err },
		"rotate": func() error { _, err := f.RotateKeys(t.Context(), false); return err },
	} {
		if err := change(); !errors.Is(err, control.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	if _, _, err := f.Stats(t.Context(), id); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("stats: %v, want ErrClosed", err)
	}
	f.purge(t)
	if !exists(gone.Path) {
		t.Error("the trash was emptied")
	}
	after := content(t, f.Path())
	for name, data := range after {
		if before[name] != data {
			t.Errorf("%s was changed or made", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("there are %d files, there were %d", len(after), len(before))
	}
}

func TestAdminAccess(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	if _, err := datadir.ReadAdminAccess(f.Path()); !errors.Is(err, datadir.ErrNoAdmin) {
		t.Errorf("%v, want ErrNoAdmin", err)
	}
	writeFile(t, f.path("admin.json"), "of another one, that all may read")
	if err := os.Chmod(f.path("admin.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.ReadAdminAccess(f.Path()); err == nil || errors.Is(err, datadir.ErrNoAdmin) {
		t.Errorf("%v, want that it makes no sense", err)
	}
	want := datadir.AdminAccess{URL: "http://127.0.0.1:4513", Token: "secret"}
	remove, err := f.WriteAdminAccess(want)
	if err != nil {
		t.Fatal(err)
	}
	wantMode(t, f.path("admin.json"), 0o600)
	if got, err := datadir.ReadAdminAccess(f.Path()); err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for range 2 {
		if err := remove(); err != nil {
			t.Error(err)
		}
	}
	wantNames(t, f.Path(), "control.sqlite", "control.sqlite-journal", "databases", "trash")

	// A server that is killed leaves it.
	if _, err := f.WriteAdminAccess(want); err != nil {
		t.Fatal(err)
	}
	closeDir(t, f)
	open(t, f.Path(), asIs)
	if _, err := datadir.ReadAdminAccess(f.Path()); !errors.Is(err, datadir.ErrNoAdmin) {
		t.Errorf("%v, want ErrNoAdmin", err)
	}
}

// newAuthority gives the authority of a server on the folder, with a master token.
func (f *folder) newAuthority(t *testing.T) *auth.Authority {
	t.Helper()
	hash := auth.AccessTokenHash(sha256.Sum256([]byte("master")))
	authority, err := f.NewAuthority(&hash, nil)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}
