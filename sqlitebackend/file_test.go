package sqlitebackend_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// withSQL runs statements on a file through database/sql, as another program
// would.
func withSQL(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatAreRefusedAndLeftAsTheyWere(t *testing.T) {
	t.Parallel()
	ours := func(t *testing.T, path string) {
		t.Helper()
		if err := open(t, sqlitebackend.Options{Path: path}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		prepare  func(t *testing.T, path string)
		readOnly bool
		want     string
	}{
		"not SQLite": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				if err := os.WriteFile(path, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
					t.Fatal(err)
				}
			},
			want: "the file is not an SQLite database",
		},
		"newer tables": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				ours(t, path)
				withSQL(t, path, "update migration_state set version = 4")
			},
			want: "they have version 4, this server knows versions up to 3; use a newer kvconnect",
		},
		"newer tables, read-only": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				ours(t, path)
				withSQL(t, path, "update migration_state set version = 4")
			},
			readOnly: true,
			want:     "use a newer kvconnect",
		},
		"older tables, read-only": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				ours(t, path)
				withSQL(t, path, "update migration_state set version = 2")
			},
			readOnly: true,
			want:     "open the file once without --read-only",
		},
		"foreign table in the way": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				withSQL(t, path, "create table kv (name text, value text)", "insert into kv values ('a', 'b')")
			},
			want: "it is the database of another program",
		},
		"tables of another program": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				withSQL(t, path, "create table users (name text)")
			},
			want: "it is the database of another program",
		},
		"table in the way of a migration": {
			prepare: func(t *testing.T, path string) {
				t.Helper()
				withSQL(t, path, "create table migration_state (k integer primary key, version integer)",
					"insert into migration_state values (0, 1)", "create table queue (name text)")
			},
			want: "table queue already exists",
		},
		"foreign tables, read-only": {
			prepare:  func(t *testing.T, path string) { t.Helper(); withSQL(t, path, "create table other (name text)") },
			readOnly: true,
			want:     "it is no Deno KV database",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			c.prepare(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path, ReadOnly: c.readOnly})
			if err == nil {
				t.Error(errors.Join(errors.New("the file was opened"), backend.Close()))
				return
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want one that names the path and says %q", err, c.want)
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Error("the file has changed")
			}
		})
	}
}

func TestPathsThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, c := range map[string]struct {
		options sqlitebackend.Options
		want    string
	}{
		"no path":                 {sqlitebackend.Options{}, "no path given"},
		"a folder":                {sqlitebackend.Options{Path: folder}, "it is a folder"},
		"no such durability":      {sqlitebackend.Options{Path: filepath.Join(folder, "kv.sqlite"), Durability: "off"}, `durability is one of full and normal, not "off"`},
		"no such folder":          {sqlitebackend.Options{Path: filepath.Join(folder, "none", "kv.sqlite")}, "check that the folder exists"},
		"no such file, read-only": {sqlitebackend.Options{Path: filepath.Join(folder, "kv.sqlite"), ReadOnly: true}, "no such file or directory: to be opened for reading only, the file must be there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend, err := sqlitebackend.Open(c.options)
			if err == nil {
				t.Fatal(errors.Join(errors.New("it was opened"), backend.Close()))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want one that says %q", err, c.want)
			}
		})
	}
}

// A process that is killed shows nothing of this; a power cut would.
func TestCommitsWaitForTheDisk(t *testing.T) {
	t.Parallel()
	const normal, full = 1, 2
	for durability, want := range map[sqlitebackend.Durability]int64{
		"": full, sqlitebackend.DurabilityFull: full, sqlitebackend.DurabilityNormal: normal,
	} {
		backend := open(t, sqlitebackend.Options{Path: tempPath(t), Durability: durability})
		if got, err := backend.WritePragma(t.Context(), "synchronous"); err != nil || got != want {
			t.Errorf("durability %q: synchronous is %d, %v; want %d", durability, got, err, want)
		}
	}
}

// What cannot be read today cannot be read tomorrow, so it must not look as if
// trying again could help.
func TestDamagedEntry(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path})
	commit(t, backend, set("a", "1"), set("b", "1"))
	withSQL(t, path, "update kv set v = 'text' where k = cast('b' as blob)")
	wantValue(t, backend, "a", "1")
	_, err := backend.SnapshotRead(t.Context(), protocol.SnapshotRead{Ranges: []protocol.ReadRange{{End: []byte{0xff}, Limit: 10}}})
	if !errors.Is(err, protocol.ErrDamaged) || errors.Is(err, protocol.ErrUnavailable) {
		t.Errorf("read: %v, want ErrDamaged", err)
	}
	_, err = backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{sum("b")}})
	if !errors.Is(err, protocol.ErrDamaged) || errors.Is(err, protocol.ErrUnavailable) {
		t.Errorf("sum: %v, want ErrDamaged", err)
	}
	commit(t, backend, set("b", "2"))
	wantValue(t, backend, "b", "2")
}

func TestLinkToAFileThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	link, target := filepath.Join(folder, "link.sqlite"), filepath.Join(folder, "target.sqlite")
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	for range 2 {
		backend := open(t, sqlitebackend.Options{Path: link})
		if want, err := filepath.EvalSymlinks(target); err != nil || backend.Path() != want {
			t.Errorf("the path is %s, want %s (%v)", backend.Path(), want, err)
		}
		if err := backend.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Another process may hold the file for a while; writes wait.
func TestWriteWaitsForAnotherProcess(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	backend := open(t, sqlitebackend.Options{Path: path})
	db, err := sql.Open("sqlite3", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "update data_version set version = version + 5"); err != nil {
		t.Fatal(err)
	}
	written := make(chan protocol.AtomicWriteOutput, 1)
	go func() {
		output, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set("a", "1")}})
		if err != nil {
			t.Errorf("write: %v", err)
		}
		written <- output
	}()
	wantAbsent(t, backend, "a") // reads do not wait
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if output := <-written; output.Versionstamp != protocol.VersionstampOf(6) {
		t.Errorf("versionstamp %s, want that of version 6", output.Versionstamp)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	writing := open(t, sqlitebackend.Options{Path: path})
	commit(t, writing, set("a", "1"))
	id := writing.DatabaseID()
	if err := writing.Close(); err != nil {
		t.Fatal(err)
	}
	backend := open(t, sqlitebackend.Options{Path: path, ReadOnly: true})
	wantValue(t, backend, "a", "1")
	if backend.DatabaseID() != id {
		t.Errorf("the id is %s, want %s", backend.DatabaseID(), id)
	}
	output, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{set("a", "2")}})
	if err != nil || output.Status != protocol.AtomicWriteDisabled {
		t.Errorf("a write ended with %v, %v", output, err)
	}
	wantValue(t, backend, "a", "1")
}

func TestReadOnlyFileWithoutIDGetsAStableOne(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	if err := open(t, sqlitebackend.Options{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	withSQL(t, path, "drop table kvconnect_database")
	first := open(t, sqlitebackend.Options{Path: path, ReadOnly: true}).DatabaseID()
	second := open(t, sqlitebackend.Options{Path: path, ReadOnly: true}).DatabaseID()
	if first != second {
		t.Errorf("the ids are %s and %s", first, second)
	}
	other := tempPath(t)
	withSQL(t, path, "vacuum into '"+other+"'")
	if third := open(t, sqlitebackend.Options{Path: other, ReadOnly: true}).DatabaseID(); third == first {
		t.Error("another file has the same id")
	}
}

// column is a column of a table as other programs see it.
type column struct {
	Table, Name, Type, Default string
	NotNull                    bool
	PrimaryKey                 int
}

// The columns of a file made by Deno 2.9.6, in its order.
var columnsOfDeno = []column{
	{Table: "migration_state", Name: "k", Type: "INTEGER", NotNull: true, PrimaryKey: 1},
	{Table: "migration_state", Name: "version", Type: "INTEGER", NotNull: true},
	{Table: "data_version", Name: "k", Type: "INTEGER", PrimaryKey: 1},
	{Table: "data_version", Name: "version", Type: "INTEGER", NotNull: true},
	{Table: "data_version", Name: "seq", Type: "INTEGER", Default: "0", NotNull: true},
	{Table: "kv", Name: "k", Type: "BLOB", NotNull: true, PrimaryKey: 1},
	{Table: "kv", Name: "v", Type: "BLOB", NotNull: true},
	{Table: "kv", Name: "v_encoding", Type: "INTEGER", NotNull: true},
	{Table: "kv", Name: "version", Type: "INTEGER", NotNull: true},
	{Table: "kv", Name: "seq", Type: "INTEGER", Default: "0", NotNull: true},
	{Table: "kv", Name: "expiration_ms", Type: "INTEGER", Default: "-1", NotNull: true},
	{Table: "queue", Name: "ts", Type: "INTEGER", NotNull: true, PrimaryKey: 1},
	{Table: "queue", Name: "id", Type: "TEXT", NotNull: true, PrimaryKey: 2},
	{Table: "queue", Name: "data", Type: "BLOB", NotNull: true},
	{Table: "queue", Name: "backoff_schedule", Type: "TEXT", NotNull: true},
	{Table: "queue", Name: "keys_if_undelivered", Type: "BLOB", NotNull: true},
	{Table: "queue_running", Name: "deadline", Type: "INTEGER", NotNull: true, PrimaryKey: 1},
	{Table: "queue_running", Name: "id", Type: "TEXT", NotNull: true, PrimaryKey: 2},
	{Table: "queue_running", Name: "data", Type: "BLOB", NotNull: true},
	{Table: "queue_running", Name: "backoff_schedule", Type: "TEXT", NotNull: true},
	{Table: "queue_running", Name: "keys_if_undelivered", Type: "BLOB", NotNull: true},
}

func TestTablesAreThoseOfDeno(t *testing.T) {
	t.Parallel()
	path := tempPath(t)
	if err := open(t, sqlitebackend.Options{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), `select t.name, c.name, c.type, coalesce(c.dflt_value, ''), c."notnull", c.pk
		from sqlite_schema t join pragma_table_info(t.name) c
		where t.type = 'table' and t.name not like 'kvconnect_%' order by t.rowid, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var got []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.Table, &c.Name, &c.Type, &c.Default, &c.NotNull, &c.PrimaryKey); err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(columnsOfDeno, got); diff != "" {
		t.Errorf("(-Deno +ours):\n%s", diff)
	}
	var index string
	if err := db.QueryRowContext(t.Context(), "select tbl_name from sqlite_schema where name = 'kv_expiration_ms_idx'").Scan(&index); err != nil || index != "kv" {
		t.Errorf("index kv_expiration_ms_idx: on %q, %v", index, err)
	}
}
