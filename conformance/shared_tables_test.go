package conformance

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	_ "github.com/mattn/go-sqlite3" // the driver "sqlite3"
)

// tables is what a database file holds, to the byte.
type tables struct {
	entries     map[string]storedEntry // by key
	dataVersion int64
	databaseID  string // "" in a file that this server has not seen
	// dueMs are the times of the messages in each of the two tables of the queue,
	// ascending.
	dueMs map[string][]int64
	// others are the rest of the tables that Deno made, and their definitions.
	others map[string][]string
}

type storedEntry struct {
	value, encoding, expirationMs, seq string
	version                            int64
}

// readTables reads the file at path, and finds no fault in it. It does so in a copy,
// because reading alone may change what is beside the file.
func readTables(t *testing.T, path string) *tables {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.sqlite")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if suffix != "" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite3", copied)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if found := selectAll(t, db, "pragma integrity_check"); !slices.Equal(found, []string{"ok"}) {
		t.Errorf("the file is damaged: %v", found)
	}
	got := &tables{entries: make(map[string]storedEntry), dueMs: make(map[string][]int64), others: make(map[string][]string)}
	entries, err := db.QueryContext(t.Context(), "select k, quote(v), quote(v_encoding), quote(expiration_ms), quote(seq), version from kv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = entries.Close() }()
	for entries.Next() {
		var key []byte
		var entry storedEntry
		if err := entries.Scan(&key, &entry.value, &entry.encoding, &entry.expirationMs, &entry.seq, &entry.version); err != nil {
			t.Fatal(err)
		}
		got.entries[string(key)] = entry
	}
	if err := entries.Err(); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRowContext(t.Context(), "select version from data_version where k = 0").Scan(&got.dataVersion); err != nil {
		t.Fatal(err)
	}
	err = db.QueryRowContext(t.Context(), "select id from kvconnect_database").Scan(&got.databaseID)
	if err != nil && !strings.Contains(err.Error(), "no such table") {
		t.Fatal(err)
	}
	for table, due := range map[string]string{"queue": "ts", "queue_running": "deadline"} {
		for _, text := range selectAll(t, db, "select "+due+" from "+table+" order by 1") {
			ms, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			got.dueMs[table] = append(got.dueMs[table], ms)
		}
		got.others[table] = selectAll(t, db, "select quote("+due+") || quote(id) || quote(data) || quote(backoff_schedule) || quote(keys_if_undelivered) from "+table+" order by 1")
	}
	got.others["migration_state"] = selectAll(t, db, "select quote(k) || ' ' || quote(version) from migration_state")
	got.others["data_version"] = selectAll(t, db, "select quote(k) || ' ' || quote(seq) from data_version")
	got.others["sqlite_schema"] = selectAll(t, db, "select type || ' ' || name || ' ' || quote(sql) from sqlite_schema where tbl_name not like 'kvconnect_%' order by 1")
	return got
}

// selectAll gives the one column of a query.
func selectAll(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var texts []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return texts
}

// wantKept checks that nothing that was there before is lost or has changed, but for
// the named keys, and that versions have gone on from there.
func (after *tables) wantKept(t *testing.T, before *tables, changed ...string) {
	t.Helper()
	mayDiffer := make(map[string]bool)
	for _, name := range changed {
		key, err := protocol.Key{"shared", name}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		mayDiffer[string(key)] = true
	}
	for key, want := range before.entries {
		if got, ok := after.entries[key]; !mayDiffer[key] && got != want {
			t.Errorf("the entry %q is %+v (%v), and was %+v", key, got, ok, want)
		}
	}
	for key, entry := range after.entries {
		_, old := before.entries[key]
		if entry.version > after.dataVersion || !old && entry.version <= before.dataVersion {
			t.Errorf("the entry %q is of version %d, the file was at %d and is at %d", key, entry.version, before.dataVersion, after.dataVersion)
		}
	}
	if after.dataVersion < before.dataVersion {
		t.Errorf("the version went back from %d to %d", before.dataVersion, after.dataVersion)
	}
	if before.databaseID != "" && after.databaseID != before.databaseID {
		t.Errorf("the database id is %s, and was %s", after.databaseID, before.databaseID)
	}
	if diff := cmp.Diff(before.others, after.others); diff != "" {
		t.Errorf("the other tables (-before +after):\n%s", diff)
	}
}
