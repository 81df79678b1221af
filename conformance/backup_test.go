package conformance

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// backupCommand is how docs/operations.md says a database is backed up while it is served.
var backupCommand = regexp.MustCompile(`(?m)^sqlite3 kvconnect\.sqlite "(vacuum into 'kvconnect-backup\.sqlite')"$`)

// A backup that is taken amid writes, as the runbook says, is of one moment; restored, it is
// the same database with the same token.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	found := backupCommand.FindSubmatch(page)
	if found == nil {
		t.Fatal("the runbook has no command for a backup")
	}
	folder := t.TempDir()
	path, backup := filepath.Join(folder, "kvconnect.sqlite"), filepath.Join(folder, "kvconnect-backup.sqlite")
	statement := strings.Replace(string(found[1]), "kvconnect-backup.sqlite", backup, 1)

	server := startProcess(t, path)
	d := openDatabase(t, server)
	const before, after = 50, 50
	countFrom(t, d, 1, before)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun, written := make(chan struct{}), make(chan uint64, 1)
	go func() {
		begin := sync.OnceFunc(func() { close(begun) })
		defer begin()
		n := uint64(before)
		for ctx.Err() == nil && countTo(context.WithoutCancel(ctx), d, n+1) == nil {
			n++
			begin()
		}
		written <- n
	}()
	<-begun
	runSQL(t, path, statement)
	cancel()
	last := <-written
	countFrom(t, d, last+1, last+after)
	server.stop(t)

	// What the runbook says about restoring.
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, path+".old"+suffix); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(backup, path); err != nil {
		t.Fatal(err)
	}
	restored := server.restart(t)
	again := openDatabase(t, restored)
	if again.metadata.DatabaseID != d.metadata.DatabaseID {
		t.Errorf("database id %s, before %s", again.metadata.DatabaseID, d.metadata.DatabaseID)
	}
	first, second := counters(t, again)
	if first != second || first < before || first > last+1 {
		t.Errorf("counters %d and %d; there were %d before the backup, and %d after it", first, second, before, last)
	}
	if _, _, err := readCounters(t.Context(), d); err != nil {
		t.Errorf("with the token from before: %v", err)
	}
	countFrom(t, again, first+1, first+after)
}

func openDatabase(t *testing.T, server *process) *httpDatabase {
	t.Helper()
	d, err := openHTTP(t.Context(), http.DefaultClient, server.url, processToken)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// runSQL runs a statement on a file, as the sqlite3 program does.
func runSQL(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

var firstCounter, secondCounter = []byte("\x02first\x00"), []byte("\x02second\x00")

// countFrom sets both counters to each of the numbers.
func countFrom(t *testing.T, d *httpDatabase, first, last uint64) {
	t.Helper()
	for n := first; n <= last; n++ {
		if err := countTo(t.Context(), d, n); err != nil {
			t.Fatal(err)
		}
	}
}

// countTo sets both counters in one write.
func countTo(ctx context.Context, d *httpDatabase, n uint64) error {
	_, err := d.atomicWrite(ctx, protocol.AtomicWrite{Mutations: []protocol.Mutation{
		{Type: protocol.MutationSet, Key: firstCounter, Value: protocol.U64Value(n)},
		{Type: protocol.MutationSet, Key: secondCounter, Value: protocol.U64Value(n)},
	}})
	return err
}

func counters(t *testing.T, d *httpDatabase) (first, second uint64) {
	t.Helper()
	first, second, err := readCounters(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return first, second
}

func readCounters(ctx context.Context, d *httpDatabase) (first, second uint64, err error) {
	output, err := d.snapshotRead(ctx, protocol.SnapshotRead{Ranges: []protocol.ReadRange{
		{Start: firstCounter, End: append(firstCounter[:len(firstCounter):len(firstCounter)], 0), Limit: 1},
		{Start: secondCounter, End: append(secondCounter[:len(secondCounter):len(secondCounter)], 0), Limit: 1},
	}})
	if err != nil {
		return 0, 0, err
	}
	for i, to := range []*uint64{&first, &second} {
		if len(output.Ranges) > i && len(output.Ranges[i]) == 1 {
			*to, _ = output.Ranges[i][0].Value.U64()
		}
	}
	return first, second, nil
}
