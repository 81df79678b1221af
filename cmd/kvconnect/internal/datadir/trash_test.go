package datadir_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
)

// The trash is emptied of what was kept long enough, and of nothing else.
func TestEmptyTrash(t *testing.T) {
	t.Parallel()
	const retention = 48 * time.Hour
	f := open(t, filepath.Join(t.TempDir(), "data"), func(o *datadir.Options) { o.TrashRetention = retention })
	kept := f.create(t, "kept")
	f.mustSet(t, kept, "value")
	early := f.delete(t, f.create(t, "early"))
	for _, suffix := range []string{"-wal", "-journal", "-shm"} {
		writeFile(t, early.Path+suffix, "of a server that was killed")
	}
	f.clock.Advance(time.Hour)
	late := f.delete(t, f.create(t, "late"))
	strangers := []string{"notes.txt", uuid.NewString() + ".sqlite", "nobody.json", late.Database.ID.String() + ".json"}
	for _, name := range strangers {
		writeFile(t, f.path("trash", name), "{}")
	}

	f.clock.Advance(retention - time.Hour - time.Millisecond)
	f.purge(t)
	if !exists(early.Path) {
		t.Error("it was removed a millisecond too early")
	}
	f.clock.Advance(time.Millisecond)
	if f.clock.Now() != early.KeptUntil {
		t.Errorf("it was to be kept until %v, not %v", early.KeptUntil, f.clock.Now())
	}
	f.purge(t)
	entries, err := filepath.Glob(f.path("trash", early.Database.ID.String()+"*"))
	if err != nil || len(entries) != 0 {
		t.Errorf("of the first one are left %v, %v", entries, err)
	}
	if !exists(late.Path) {
		t.Error("the second one was removed")
	}
	if log := f.log.String(); !strings.Contains(log, early.Database.ID.String()) || strings.Contains(log, late.Database.ID.String()) {
		t.Errorf("it logged %q", log)
	}
	f.clock.Advance(retention)
	f.purge(t)
	if exists(late.Path) {
		t.Error("the second one is still there")
	}
	for _, name := range strangers {
		if !exists(f.path("trash", name)) {
			t.Errorf("%s was removed", name)
		}
	}
	f.wantValue(t, kept, "value")
}

// To restore is to adopt from the trash. What the trash keeps goes in its time, and what was
// restored stays.
func TestRestore(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "value")
	deleted := f.delete(t, id)
	f.adopt(t, deleted.Path, "orders")
	f.wantValue(t, id, "value")
	f.mustSet(t, id, "changed")
	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	f.clock.Advance(datadir.DefaultTrashRetention)
	f.purge(t)
	wantNames(t, f.path("trash"))
	f.wantValue(t, id, "changed")
}

// A tombstone that makes no sense is told of once, and neither it nor a file is touched.
func TestDamagedTombstones(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id, served := f.create(t, "orders"), f.create(t, "served")
	f.mustSet(t, served, "value")
	deleted := f.delete(t, id)
	closeDir(t, f)
	path := strings.TrimSuffix(deleted.Path, ".sqlite") + ".json"
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := content(t, f.Path())
	name, err := filepath.Rel(f.Path(), path)
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string]string{
		"empty":         "",
		"cut off":       string(whole[:len(whole)/2]),
		"no time":       `{"id": "` + id.String() + `"}`,
		"another id":    strings.Replace(string(whole), id.String(), served.String(), 1),
		"another time":  strings.Replace(string(whole), "2030", "1970", 1),
		"a wrong type":  "[]",
		"no tombstone":  "null",
		"path as an id": `{"id": "../databases/` + served.String() + `", "deletedAt": "1970-01-01T00:00:00Z"}`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			damaged := make(map[string]string)
			for name, data := range files {
				damaged[name] = data
			}
			damaged[name] = data
			f := open(t, newFolderOf(t, damaged), asIs)
			f.clock.Advance(10 * datadir.DefaultTrashRetention)
			f.purge(t)
			f.purge(t)
			if log := f.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "a file in the trash is damaged and left alone") {
				t.Errorf("it logged %q", log)
			}
			f.wantValue(t, served, "value")
			closeDir(t, f)
			after := content(t, f.Path())
			for name := range damaged {
				if _, there := after[name]; !there {
					t.Errorf("%s was removed", name)
				}
			}
		})
	}
}

// A tombstone that cannot be read does not keep the server from starting.
func TestTombstoneIsAFolder(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	closeDir(t, f)
	if err := os.Mkdir(f.path("trash", "a.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	f = open(t, f.Path(), asIs)
	if !strings.Contains(f.log.String(), "a.json") {
		t.Errorf("it logged %q", f.log)
	}
}

// Files that belong to no database are told of and left alone.
func TestStrangers(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	closeDir(t, f)
	strangers := []string{"orders.sqlite", uuid.NewString() + ".sqlite", strings.ReplaceAll(id.String(), "-", "") + ".sqlite"}
	for _, name := range strangers {
		writeFile(t, f.path("databases", name), "data")
	}
	writeFile(t, f.path("databases", "notes.txt"), "data")
	f = open(t, f.Path(), asIs)
	f.clock.Advance(10 * datadir.DefaultTrashRetention)
	f.purge(t)
	log := f.log.String()
	for _, name := range strangers {
		if !strings.Contains(log, name) || !exists(f.path("databases", name)) {
			t.Errorf("%s is there: %v; logged %q", name, exists(f.path("databases", name)), log)
		}
	}
	if strings.Count(log, "\n") != len(strangers) {
		t.Errorf("it logged %q", log)
	}
}

// While it keeps house, it empties the trash by the hour and writes down when tokens were
// used by the minute, until it is told to stop.
func TestKeepHouse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		dir, err := datadir.Open(t.Context(), datadir.Options{Path: path, Create: true, TrashRetention: 90 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		f := &folder{Dir: dir}
		deleted := f.delete(t, f.create(t, "gone"))
		id := f.create(t, "orders")
		token := f.createToken(t, id, "token")
		ctx, stop := context.WithCancel(t.Context())
		var house sync.WaitGroup
		house.Go(func() { f.KeepHouse(ctx) })
		grant, _ := f.Control().GrantByID(token.ID)
		grant.Use(time.Now())
		usedAt := grant.LastUsed()
		<-time.After(time.Minute)
		synctest.Wait()
		// What a server that is killed leaves is what is in the file now.
		copied := newFolderOf(t, content(t, path))
		crashed, err := datadir.Open(t.Context(), datadir.Options{Path: copied})
		if err != nil {
			t.Fatal(err)
		}
		if kept, err := crashed.Control().FindToken(token.ID); err != nil || !kept.LastUsedAt.Equal(usedAt) {
			t.Errorf("last used at %v, %v; want %v", kept.LastUsedAt, err, usedAt)
		}
		if err := crashed.Close(); err != nil {
			t.Error(err)
		}
		for _, want := range []bool{true, false} {
			<-time.After(time.Hour)
			synctest.Wait()
			if exists(deleted.Path) != want {
				t.Errorf("the deleted file is there: %v", !want)
			}
		}
		stop()
		house.Wait()
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The limits of a database are those of the folder where it has none.
func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	f := open(t, filepath.Join(t.TempDir(), "data"), func(o *datadir.Options) {
		o.DefaultLimits = access.Limits{RequestsPerSecond: 5, Watches: 7}
	})
	id := f.create(t, "orders")
	if _, err := f.SetDatabaseLimits(t.Context(), id, access.Limits{Watches: 1}); err != nil {
		t.Fatal(err)
	}
	known, _ := f.Control().Database("orders")
	if got, want := known.Meter.Limits(), (access.Limits{RequestsPerSecond: 5, Watches: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
