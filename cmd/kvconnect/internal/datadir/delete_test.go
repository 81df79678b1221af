package datadir_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// wantFileValue checks what a file has under the key 1.
func wantFileValue(t *testing.T, path string, id uuid.UUID, want string) {
	t.Helper()
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = backend.Close() }() // it only reads
	output, err := backend.SnapshotRead(t.Context(), protocol.SnapshotRead{
		Ranges: []protocol.ReadRange{{Start: []byte{1}, End: []byte{2}, Limit: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if backend.DatabaseID() != id || len(output.Ranges[0]) != 1 || string(output.Ranges[0][0].Value.Data) != want {
		t.Errorf("%s holds %s with %v, want %q", path, backend.DatabaseID(), output.Ranges, want)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id, other := f.create(t, "orders"), f.create(t, "other")
	f.mustSet(t, id, "value")
	f.mustSet(t, other, "value")
	token := f.createToken(t, id, "token")
	f.createToken(t, other, "other token")
	authority := f.newAuthority(t)
	own, err := authority.Authorize(t.Context(), "token", "")
	if err != nil {
		t.Fatal(err)
	}
	master, err := authority.Authorize(t.Context(), "master", "orders")
	if err != nil {
		t.Fatal(err)
	}
	deleted := f.delete(t, id)
	if deleted.Database.ID != id || deleted.Database.Name != "orders" ||
		!deleted.KeptUntil.Equal(epoch.Add(datadir.DefaultTrashRetention)) {
		t.Errorf("%+v", deleted)
	}
	wantFileValue(t, deleted.Path, id, "value")
	wantNames(t, f.path("databases"), other.String()+".sqlite", other.String()+".sqlite-shm", other.String()+".sqlite-wal")

	for name, grant := range map[string]*access.Grant{"of the token": own, "of the master token": master} {
		if err := grant.Err(epoch); !errors.Is(err, protocol.ErrTokenRevoked) {
			t.Errorf("the grant %s: %v, want ErrTokenRevoked", name, err)
		}
	}
	if _, err := authority.Authorize(t.Context(), "token", ""); !errors.Is(err, protocol.ErrTokenRevoked) {
		t.Errorf("%v, want ErrTokenRevoked", err)
	}
	if _, err := authority.Authorize(t.Context(), "master", "orders"); !errors.Is(err, protocol.ErrUnknownDatabase) {
		t.Errorf("%v, want ErrUnknownDatabase", err)
	}
	if _, err := authority.Authorize(t.Context(), "other token", "other"); err != nil {
		t.Error(err)
	}
	if _, err := f.Control().FindToken(token.ID); !errors.Is(err, control.ErrNoToken) {
		t.Errorf("%v, want ErrNoToken", err)
	}
	if _, err := f.Databases().Lend(t.Context(), id); !errors.Is(err, protocol.ErrUnknownDatabase) {
		t.Errorf("%v, want ErrUnknownDatabase", err)
	}
	if _, err := f.DeleteDatabase(t.Context(), id); !errors.Is(err, control.ErrNoDatabase) {
		t.Errorf("%v, want ErrNoDatabase", err)
	}
	f.wantValue(t, other, "value")
	if f.create(t, "orders") == id {
		t.Error("the name leads to what was deleted")
	}
}

// Watches end and calls under way are answered, one way or the other, and what was
// acknowledged is in the trash.
func TestDeleteWhileInUse(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "0")
	database, err := f.Databases().Lend(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan struct{}, 1)
	watcher, err := database.Watch(protocol.Watch{Keys: [][]byte{{9}}}, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watcher.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	acknowledged := ""
	written := make(chan struct{}, 1)
	writer.Go(func() {
		for n := byte('a'); ; n++ {
			value := strings.Repeat(string(n%26+'a'), 10_000)
			output, err := database.AtomicWrite(t.Context(), setValue(value))
			switch {
			case errors.Is(err, protocol.ErrClosed):
				return
			case err != nil || output.Status != protocol.AtomicWriteCommitted:
				t.Errorf("%v, %v", output, err)
				return
			}
			acknowledged = value
			select {
			case written <- struct{}{}:
			default:
			}
		}
	})
	<-written
	deleted := f.delete(t, id)
	writer.Wait()
	<-woken
	if _, err := watcher.State(t.Context()); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("the watch: %v, want ErrClosed", err)
	}
	if _, err := database.SnapshotRead(t.Context(), protocol.SnapshotRead{}); !errors.Is(err, protocol.ErrClosed) {
		t.Errorf("a read: %v, want ErrClosed", err)
	}
	watcher.Close()
	database.Release()
	wantFileValue(t, deleted.Path, id, acknowledged)
	wantNames(t, f.path("databases"))
}

// A database that is being opened while it is deleted is lent to nobody, or is closed again.
func TestDeleteWhileOpening(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	for range 10 {
		id := f.create(t, "orders")
		var lent sync.WaitGroup
		for range 3 {
			lent.Go(func() {
				var database kvconnect.Database
				database, err := f.Databases().Lend(t.Context(), id)
				if err != nil {
					if !errors.Is(err, protocol.ErrUnknownDatabase) {
						t.Error(err)
					}
					return
				}
				defer database.Release()
				if _, err := database.AtomicWrite(t.Context(), setValue("value")); err != nil && !errors.Is(err, protocol.ErrClosed) {
					t.Error(err)
				}
			})
		}
		deleted := f.delete(t, id)
		lent.Wait()
		if held, found, err := sqlitebackend.ReadDatabaseID(deleted.Path); held != id || !found || err != nil {
			t.Errorf("in the trash is %s, %v, %v", held, found, err)
		}
		wantNames(t, f.path("databases"))
	}
}

// What has been begun is done, although nobody waits for it; what has not is not.
func TestDeleteForSomebodyWhoLeaves(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "value")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.DeleteDatabase(cancelled, id); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	wantNames(t, f.path("trash"))
	f.wantValue(t, id, "value")
	f.createToken(t, id, "token")
	ctx, leave := context.WithCancel(t.Context())
	authority := f.newAuthority(t)
	grant, err := authority.Authorize(ctx, "token", "")
	if err != nil {
		t.Fatal(err)
	}
	grant.OnRevoke(leave) // once the control database has forgotten it
	deleted, err := f.DeleteDatabase(ctx, id)
	if err != nil || ctx.Err() == nil {
		t.Fatalf("%v, the context: %v", err, ctx.Err())
	}
	wantFileValue(t, deleted.Path, id, "value")
	wantNames(t, f.path("databases"))
	if log := f.log.String(); log != "" {
		t.Errorf("it was moved before it was closed: %s", log)
	}
}

// Without a place in the trash nothing is deleted.
func TestDeleteWithoutTrash(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "value")
	if err := os.Remove(f.path("trash")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DeleteDatabase(t.Context(), id); err == nil {
		t.Error("it was deleted")
	}
	f.wantValue(t, id, "value")
	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	f.wantValue(t, id, "value")
	f.delete(t, id)
}

// A database whose file is lost can be deleted.
func TestDeleteWithoutFile(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	if err := os.Remove(f.filePath(id)); err != nil {
		t.Fatal(err)
	}
	deleted := f.delete(t, id)
	if exists(deleted.Path) {
		t.Error("there is a file in the trash")
	}
	closeDir(t, f)
	f = open(t, f.Path(), asIs)
	if len(f.Control().Databases()) != 0 {
		t.Error("it is there again")
	}
	f.clock.Advance(datadir.DefaultTrashRetention)
	f.purge(t)
	wantNames(t, f.path("trash"))
}

// Two deletions of one database leave two files, and each is kept for its own time.
func TestDeleteTwice(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	id := f.create(t, "orders")
	f.mustSet(t, id, "all that there was")
	first := f.delete(t, id)
	// By mistake; and so is what it is replaced with, at the same time.
	f.adopt(t, newSource(t, id, "an old backup"), "orders")
	second := f.delete(t, id)
	wantFileValue(t, first.Path, id, "all that there was")
	wantFileValue(t, second.Path, id, "an old backup")

	f.adopt(t, first.Path, "orders")
	f.wantValue(t, id, "all that there was")
	f.clock.Advance(time.Hour)
	third := f.delete(t, id)
	f.clock.Advance(datadir.DefaultTrashRetention - time.Hour + time.Millisecond)
	f.purge(t)
	if exists(first.Path) || exists(second.Path) {
		t.Error("the first two are still there")
	}
	wantFileValue(t, third.Path, id, "all that there was")
}
