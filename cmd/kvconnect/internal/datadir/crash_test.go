package datadir_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
)

// pick gives those of the files whose names contain a text.
func pick(files map[string]string, text string) map[string]string {
	picked := maps.Clone(files)
	maps.DeleteFunc(picked, func(name, _ string) bool { return !strings.Contains(name, text) })
	return picked
}

func union(all ...map[string]string) map[string]string {
	joined := make(map[string]string)
	for _, files := range all {
		maps.Copy(joined, files)
	}
	return joined
}

// states has the folder of a server that is killed while it has a database, and what there is
// when that has been deleted.
type states struct {
	id            uuid.UUID
	control       [2]map[string]string // before and after the deletion
	file, wal     map[string]string    // where a killed server leaves them
	tombstone     map[string]string
	trashName     string // of the files in the trash
	trash, trashW map[string]string
}

func newStates(t *testing.T) states {
	t.Helper()
	f := newFolder(t)
	s := states{id: f.create(t, "orders")}
	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	s.control[0] = pick(content(t, f.Path()), "control.")
	f.mustSet(t, s.id, "value")
	// Of its content, a part is in the WAL.
	killed := content(t, f.Path())
	s.file = maps.Clone(killed)
	maps.DeleteFunc(s.file, func(name, _ string) bool { return !strings.HasSuffix(name, s.id.String()+".sqlite") })
	s.wal = pick(killed, ".sqlite-wal")
	if len(s.file) != 1 || len(s.wal) != 1 {
		t.Fatalf("the server has %d files and %d WALs", len(s.file), len(s.wal))
	}
	deleted := f.delete(t, s.id)
	after := content(t, f.Path())
	s.control[1], s.tombstone = pick(after, "control."), pick(after, ".json")
	s.trashName, _ = strings.CutSuffix(filepath.Base(deleted.Path), ".sqlite")
	s.trash = map[string]string{}
	for _, data := range s.file {
		s.trash[filepath.Join("trash", s.trashName+".sqlite")] = data
	}
	s.trashW = map[string]string{}
	for _, data := range s.wal {
		s.trashW[filepath.Join("trash", s.trashName+".sqlite-wal")] = data
	}
	return s
}

// Wherever a server is killed, the database is there or is in the trash, whole.
func TestKilledWhileDeleting(t *testing.T) {
	t.Parallel()
	s := newStates(t)
	for name, c := range map[string]struct {
		files       map[string]string
		wantDeleted bool
	}{
		"before":               {union(s.control[0], s.file, s.wal), false},
		"tombstone":            {union(s.control[0], s.file, s.wal, s.tombstone), false},
		"half a tombstone":     {union(s.control[0], s.file, s.wal, map[string]string{"trash/draft-1.json.tmp": "{"}), false},
		"control database":     {union(s.control[1], s.file, s.wal, s.tombstone), true},
		"wal moved":            {union(s.control[1], s.file, s.trashW, s.tombstone), true},
		"all moved":            {union(s.control[1], s.trash, s.trashW, s.tombstone), true},
		"another one in trash": {union(s.control[1], s.file, s.wal, s.tombstone, s.earlier(false)), true},
		"another being purged": {union(s.control[1], s.file, s.wal, s.tombstone, s.earlier(true)), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, newFolderOf(t, c.files), asIs)
			if !c.wantDeleted {
				f.wantValue(t, s.id, "value")
				wantNames(t, f.path("trash"))
				return
			}
			if _, found := f.Control().FindDatabase("orders"); found {
				t.Error("the database is there")
			}
			wantNames(t, f.path("databases"))
			// It is kept as long as if nothing had happened.
			f.clock.Advance(datadir.DefaultTrashRetention - 1)
			f.purge(t)
			path := f.path("trash", s.trashName+".sqlite")
			if exists(path + "-wal") {
				f.adopt(t, path, "restored") // moves it into the file
				f.wantValue(t, s.id, "value")
			}
			wantFileValue(t, path, s.id, "value")
		})
	}
}

// earlier gives what is in the trash of an earlier deletion of the same database, or, amid
// being purged, its tombstone alone.
func (s states) earlier(purged bool) map[string]string {
	const earlier = "20290102T030405.678Z"
	later := s.trashName[len(s.id.String())+1:]
	name := s.id.String() + "-" + earlier
	files := make(map[string]string)
	for _, data := range s.tombstone {
		files[filepath.Join("trash", name+".json")] = strings.Replace(data, "2030-01-02", "2029-01-02", 1)
	}
	if !purged {
		files[filepath.Join("trash", strings.Replace(s.trashName, later, earlier, 1)+".sqlite")] = "an earlier one"
	}
	return files
}

// A control database that is older than the files knows a database whose file is in the
// trash: that is told of, and the file is not removed in its time.
func TestOlderControlDatabase(t *testing.T) {
	t.Parallel()
	s := newStates(t)
	f := open(t, newFolderOf(t, union(s.control[0], s.trash, s.trashW, s.tombstone)), asIs)
	if log := f.log.String(); !strings.Contains(log, "the file of a database is missing") || !strings.Contains(log, s.id.String()) {
		t.Errorf("it logged %q", log)
	}
	f.clock.Advance(10 * datadir.DefaultTrashRetention)
	f.purge(t)
	closeDir(t, f)
	if !exists(f.path("trash", s.trashName+".sqlite")) || !exists(f.path("trash", s.trashName+".sqlite-wal")) {
		t.Error("the file was removed")
	}
	// Moved back, it is there again, and the trash has nothing.
	files := content(t, f.Path())
	maps.DeleteFunc(files, func(name, _ string) bool {
		return strings.HasPrefix(name, "trash") && !strings.HasSuffix(name, ".json")
	})
	f = open(t, newFolderOf(t, union(files, s.file, s.wal)), asIs)
	f.wantValue(t, s.id, "value")
	wantNames(t, f.path("trash"))
}

// Wherever a server is killed that adopts a database, it is there or can be adopted again.
func TestKilledWhileAdopting(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	closeDir(t, f)
	before := pick(content(t, f.Path()), "control.")
	id := uuid.New()
	source := newSource(t, id, "value")
	f = open(t, f.Path(), asIs)
	f.adopt(t, source, "orders")
	closeDir(t, f)
	after := content(t, f.Path())
	file := pick(after, id.String())
	half := map[string]string{"databases/draft-1": "half a copy", "databases/draft-1.2.tmp": "half", "databases/draft-1.2.tmp-wal": "half"}
	for name, c := range map[string]struct {
		files map[string]string
		adopt func(*folder) string // what is to be adopted then; nil for nothing
	}{
		"draft":            {union(before, half), func(*folder) string { return source }},
		"file":             {union(before, file), func(f *folder) string { return f.filePath(id) }},
		"control database": {after, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, newFolderOf(t, c.files), asIs)
			if c.adopt != nil {
				f.adopt(t, c.adopt(f), "orders")
			}
			f.wantValue(t, id, "value")
			closeDir(t, f)
			wantNames(t, f.path("databases"), id.String()+".sqlite")
		})
	}
}

// A server that is killed has what it acknowledged.
func TestKilled(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "value")
	f.createToken(t, id, "token")
	keys, err := f.RotateKeys(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	killed := open(t, newFolderOf(t, content(t, f.Path())), asIs)
	killed.wantValue(t, id, "value")
	if _, err := killed.newAuthority(t).Authorize(t.Context(), "token", "orders"); err != nil {
		t.Error(err)
	}
	if got := killed.Control().Keys(); len(got) != 2 || got[0].ID != keys[0].ID || got[1].ID != keys[1].ID {
		t.Errorf("the keys are %v, want %v", got, keys)
	}
}
