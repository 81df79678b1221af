package statement_test

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/sqlitebackend/internal/statement"
	"github.com/mattn/go-sqlite3"
)

// open gives a connection with an empty table t(k blob primary key, v, n).
func open(t testing.TB) (*sqlite3.SQLiteConn, *statement.DB) {
	t.Helper()
	opened, err := (&sqlite3.SQLiteDriver{}).Open("file:" + filepath.Join(t.TempDir(), "x.sqlite") + "?_mutex=no&_journal_mode=wal")
	if err != nil {
		t.Fatal(err)
	}
	conn, ok := opened.(*sqlite3.SQLiteConn)
	if !ok {
		t.Fatalf("the driver gave a %T", opened)
	}
	db, err := statement.Of(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		db.Release()
	})
	script(t, conn, "create table t (k blob not null primary key, v, n integer check (n <> 13)) without rowid")
	return conn, db
}

func script(t testing.TB, conn *sqlite3.SQLiteConn, query string, args ...driver.Value) {
	t.Helper()
	if _, err := conn.Exec(query, args); err != nil {
		t.Fatal(err)
	}
}

func prepare(t testing.TB, db *statement.DB, query string, blobs, integers int) *statement.Statement {
	t.Helper()
	s, err := db.Prepare(query, blobs, integers, statement.NoColumn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func args(blob1, blob2 []byte, integers ...int64) statement.Args {
	a := statement.Args{Blobs: [statement.MaxBlobs][]byte{blob1, blob2}}
	copy(a.Integers[:], integers)
	return a
}

func run(t testing.TB, s *statement.Statement, a statement.Args, limit int) statement.Rows {
	t.Helper()
	rows, err := s.Run(a, limit)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

const insert = "insert into t (k, v, n) values (?1, ?2, ?3)"

// What a statement gives is what the driver gives, for all sizes of bytes.
func TestRunGivesWhatTheDriverGives(t *testing.T) {
	t.Parallel()
	conn, db := open(t)
	into := prepare(t, db, insert, 2, 1)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		value := make([]byte, random.IntN(1<<random.IntN(18)))
		for j := range value {
			value[j] = byte(random.Uint32())
		}
		key := []byte{byte(i >> 8), byte(i)}
		number := int64(random.Uint64())
		run(t, into, args(key, value, number), 1)
		for j := range value { // nothing of it is kept
			value[j] = 0
		}
	}
	const all = "select k, v, n from t order by k"
	rows := run(t, prepare(t, db, all, 0, 0), statement.Args{}, math.MaxInt32)
	want, err := conn.Query(all, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := want.Close(); err != nil {
			t.Error(err)
		}
	}()
	columns := make([]driver.Value, 3)
	for i := range rows.Count {
		if err := want.Next(columns); err != nil {
			t.Fatal(err)
		}
		k, ok1 := rows.Blob()
		v, ok2 := rows.Blob()
		n, ok3 := rows.Integer()
		if !ok1 || !ok2 || !ok3 {
			t.Fatalf("row %d has columns of other types", i)
		}
		if diff := cmp.Diff(columns, []driver.Value{k, v, n}); diff != "" {
			t.Fatalf("row %d (-driver +statement):\n%s", i, diff)
		}
	}
	if err := want.Next(columns); !errors.Is(err, io.EOF) {
		t.Errorf("the driver gives more than %d rows: %v", rows.Count, err)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	into := prepare(t, db, insert, 2, 1)
	for i := range byte(5) {
		run(t, into, args([]byte{i}, nil, int64(i)), 1)
	}
	from := prepare(t, db, "select n from t where k >= ?1 and n < ?2 order by k", 1, 1)
	for _, c := range []struct {
		name         string
		first, below int64
		limit        int
		want         []int64
	}{
		{"none", 5, 9, 3, nil},
		{"fewer", 3, 9, 3, []int64{3, 4}},
		{"as many", 2, 9, 3, []int64{2, 3, 4}},
		{"more", 0, 9, 3, []int64{0, 1, 2}},
		{"one", 1, 9, 1, []int64{1}},
		{"below one", 1, 9, 0, []int64{1}},
		{"by the integer", 0, 2, 9, []int64{0, 1}},
	} {
		rows := run(t, from, args([]byte{byte(c.first)}, nil, c.below), c.limit)
		var got []int64
		for range rows.Count {
			n, _ := rows.Integer()
			got = append(got, n)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestExpiredRowsAreLeftOut(t *testing.T) {
	t.Parallel()
	conn, db := open(t)
	for i, expiry := range []any{nil, int64(-1), int64(0), int64(9), int64(10), int64(11), "no number", int64(10), int64(12)} {
		script(t, conn, "insert into t (k, v, n) values (?1, 1, ?2)", []byte{byte(i)}, expiry)
	}
	from, err := db.Prepare("select k, n, v from t where k >= ?1 order by k", 1, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	for _, c := range []struct {
		nowMs int64
		limit int
		want  []byte
	}{
		{-1, 99, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8}},
		{0, 99, []byte{0, 1, 3, 4, 5, 6, 7, 8}},
		{9, 99, []byte{0, 1, 4, 5, 6, 7, 8}},
		{10, 99, []byte{0, 1, 5, 6, 8}},
		{math.MaxInt64, 99, []byte{0, 1, 6}},
		{10, 3, []byte{0, 1, 5}}, // they do not count
		{10, 4, []byte{0, 1, 5, 6}},
	} {
		rows := run(t, from, statement.Args{NowMs: c.nowMs}, c.limit)
		var got []byte
		for range rows.Count {
			key, _ := rows.Blob()
			got = append(got, key...)
			rows.Integer()
			if _, ok := rows.Integer(); !ok {
				t.Error("the column after the expiry is not in its place")
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("at %d, limit %d (-want +got):\n%s", c.nowMs, c.limit, diff)
		}
	}
}

// Whoever reads a column as what it is not is told, and the columns after it stay in
// their places.
func TestTypes(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	rows := run(t, prepare(t, db, "select null, 1.5, 'text', 7, x'0102', x'', -1", 0, 0), statement.Args{}, 1)
	for _, column := range []string{"null", "float", "text", "integer"} {
		if b, ok := rows.Blob(); ok {
			t.Errorf("the %s was read as the blob %x", column, b)
		}
	}
	if n, ok := rows.Integer(); ok {
		t.Errorf("the blob was read as the integer %d", n)
	}
	if b, ok := rows.Blob(); !ok || len(b) != 0 {
		t.Errorf("the empty blob was read as %x, %v", b, ok)
	}
	if n, ok := rows.Integer(); !ok || n != -1 {
		t.Errorf("the last column was read as %d, %v", n, ok)
	}
}

func TestNilIsAnEmptyBlob(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	run(t, prepare(t, db, insert, 2, 1), args(nil, []byte{}, 1), 1)
	rows := run(t, prepare(t, db, "select k, v from t where k = ?1", 1, 0), args([]byte{}, nil), 1)
	for range 2 {
		if b, ok := rows.Blob(); !ok || len(b) != 0 {
			t.Errorf("got %x, %v", b, ok)
		}
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	into := prepare(t, db, insert+" on conflict (k) do update set v = excluded.v where n = excluded.n", 2, 1)
	remove := prepare(t, db, "delete from t where k >= ?1 returning k", 1, 0)
	for i, c := range []struct {
		statement *statement.Statement
		args      statement.Args
		want      int
	}{
		{into, args([]byte{1}, nil, 1), 1},
		{into, args([]byte{1}, nil, 1), 1},
		{into, args([]byte{1}, nil, 2), 0},
		{into, args([]byte{2}, nil, 2), 1},
		{remove, args([]byte{1}, nil), 2}, // beyond the limit too
		{remove, args([]byte{1}, nil), 0},
	} {
		if got := run(t, c.statement, c.args, 1).Changed; got != c.want {
			t.Errorf("run %d changed %d rows, want %d", i, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	into := prepare(t, db, insert, 2, 1)
	_, err := into.Run(args([]byte{1}, nil, 13), 1)
	var sqliteErr sqlite3.Error
	if !errors.As(err, &sqliteErr) || sqliteErr.Code != sqlite3.ErrConstraint || sqliteErr.ExtendedCode != sqlite3.ErrConstraintCheck {
		t.Errorf("error %#v, want one of a check", err)
	}
	if err == nil || !strings.Contains(err.Error(), "n <> 13") {
		t.Errorf("error %v does not name the check", err)
	}
	run(t, into, args([]byte{1}, nil, 14), 1) // the statement can be run again
	for query, want := range map[string]string{
		"selec 1":                     "syntax error",
		"select 1 from nowhere":       "no such table",
		"select ?1, ?2":               "it has 2 parameters, not 0",
		"select k from t where k = 1": "",
	} {
		s, err := db.Prepare(query, 0, 0, statement.NoColumn)
		switch {
		case want == "" && err == nil:
			s.Close()
		case want == "" || err == nil || !strings.Contains(err.Error(), want):
			t.Errorf("%s: error %v, want one that says %q", query, err, want)
		}
	}
	if _, err := db.Prepare("select ?1, ?2, ?3", statement.MaxBlobs+1, 0, statement.NoColumn); err == nil {
		t.Error("a statement of too many blobs was prepared")
	}
}

// A read of many rows gives back the room for them, and does not touch what an earlier
// run gave.
func TestRowsAreTheCallers(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	into := prepare(t, db, insert, 2, 1)
	for i := range byte(20) {
		run(t, into, args([]byte{i}, bytes.Repeat([]byte{i}, 64<<10), 1), 1)
	}
	from := prepare(t, db, "select v from t where k >= ?1 order by k", 1, 0)
	for _, limit := range []int{1, 20, 1, 3} {
		rows := run(t, from, args([]byte{0}, nil), limit)
		run(t, from, args([]byte{10}, nil), limit)
		for i := range byte(rows.Count) {
			if v, ok := rows.Blob(); !ok || !bytes.Equal(v, bytes.Repeat([]byte{i}, 64<<10)) {
				t.Errorf("limit %d: row %d is not what was stored", limit, i)
			}
		}
	}
}

func TestWALPages(t *testing.T) {
	t.Parallel()
	conn, db := open(t)
	if n := db.WALPages(); n != 0 {
		t.Errorf("%d pages before it is counted", n)
	}
	db.CountWAL()
	into := prepare(t, db, insert, 2, 1)
	last := 0
	for i := range 1100 { // SQLite would have made a checkpoint by itself after 1000 pages
		run(t, into, args([]byte{byte(i >> 8), byte(i)}, nil, 1), 1)
		if n := db.WALPages(); n <= last {
			t.Fatalf("write %d: %d pages after %d", i, n, last)
		}
		last = db.WALPages()
	}
	script(t, conn, "pragma wal_checkpoint(restart)")
	run(t, into, args([]byte("x"), nil, 1), 1)
	if n := db.WALPages(); n >= last {
		t.Errorf("%d pages after the WAL began anew, %d before", n, last)
	}
}

// One allocation for all rows, none for a write.
func TestAllocations(t *testing.T) { //nolint:paralleltest // AllocsPerRun does not allow it
	_, db := open(t)
	into := prepare(t, db, "insert or replace into t (k, v, n) values (?1, ?2, ?3)", 2, 1)
	from := prepare(t, db, "select k, v, n from t where k >= ?1", 1, 0)
	key, value := []byte("key"), make([]byte, 100)
	for name, c := range map[string]struct {
		run  func() (statement.Rows, error)
		want float64
	}{
		"write": {func() (statement.Rows, error) { return into.Run(args(key, value, 1), 1) }, 0},
		"read":  {func() (statement.Rows, error) { return from.Run(args(nil, nil), 10) }, 1},
	} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := c.run(); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.want {
			t.Errorf("a %s allocates %v times, want %v", name, got, c.want)
		}
	}
}
