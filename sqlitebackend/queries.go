package sqlitebackend

import "github.com/kvconnect/kvconnect/sqlitebackend/internal/statement"

// query names a statement that connections keep prepared, which those of all reads and
// writes are.
type query int

const (
	beginRead query = iota
	beginWrite
	commit
	rollback
	savepoint
	releaseSavepoint
	rollbackToSavepoint

	selectRange
	selectRangeReverse
	selectEntry
	selectValue
	selectVersionstamp
	upsert
	upsertKeepingExpiry
	deleteKey

	selectVersion
	updateVersion
	pageCount
	pageSize
	freePageCount

	selectEarliestExpiry
	selectEarliestExpiryAfter
	selectExpiredBetween
	deleteExpired

	queryCount
)

// noExpiry is what the column expiration_ms holds for a key that stays.
const noExpiry = -1

const (
	// There is no LIMIT, because a bound one makes SQLite prepare the statement anew each
	// time.
	entryColumns = "select k, v, v_encoding, version, expiration_ms from kv "
	inRange      = "where k >= ?1 and k < ?2 order by k"

	insertOrUpdate = `insert into kv (k, v, v_encoding, version, expiration_ms) values (?1, ?2, ?3, ?4, ?5)
		on conflict (k) do update set v = excluded.v, v_encoding = excluded.v_encoding, version = excluded.version`
)

// queries are the texts with the number of their parameters, blobs first, then integers,
// and the column that tells whether an entry has expired.
var queries = [queryCount]struct {
	text            string
	blobs, integers int
	expiryColumn    int // 0 for none
}{
	beginRead:           {text: "begin"},
	beginWrite:          {text: "begin immediate"},
	commit:              {text: "commit"},
	rollback:            {text: "rollback"},
	savepoint:           {text: "savepoint task"},
	releaseSavepoint:    {text: "release task"},
	rollbackToSavepoint: {text: "rollback to task"},

	selectRange:        {text: entryColumns + inRange, blobs: 2, expiryColumn: 4},
	selectRangeReverse: {text: entryColumns + inRange + " desc", blobs: 2, expiryColumn: 4},
	selectEntry:        {text: entryColumns + "where k = ?1", blobs: 1, expiryColumn: 4},
	selectValue:        {text: "select v, v_encoding, expiration_ms from kv where k = ?1", blobs: 1, expiryColumn: 2},
	selectVersionstamp: {text: "select version, expiration_ms from kv where k = ?1", blobs: 1, expiryColumn: 1},
	upsert:             {text: insertOrUpdate + ", expiration_ms = excluded.expiration_ms", blobs: 2, integers: 3},
	// SQLite writes the index on expiration_ms anew even if the expiry stays the same,
	// which for an overwrite is a third of all work and half of the WAL.
	upsertKeepingExpiry: {text: insertOrUpdate + " where expiration_ms = excluded.expiration_ms", blobs: 2, integers: 3},
	deleteKey:           {text: "delete from kv where k = ?1", blobs: 1},

	selectVersion: {text: "select version from data_version where k = 0"},
	updateVersion: {text: "update data_version set version = ?1 where k = 0", integers: 1},
	pageCount:     {text: "pragma page_count"},
	pageSize:      {text: "pragma page_size"},
	freePageCount: {text: "pragma freelist_count"},

	selectEarliestExpiry:      {text: "select min(expiration_ms) from kv where expiration_ms >= 0"},
	selectEarliestExpiryAfter: {text: "select min(expiration_ms) from kv where expiration_ms > ?1", integers: 1},
	selectExpiredBetween: {text: `select k, expiration_ms from kv where (expiration_ms, k) > (?2, ?1) and expiration_ms <= ?3
		order by expiration_ms, k`, blobs: 1, integers: 2},
	// A bounded number at a time, so that writes get their turn in between.
	deleteExpired: {text: `delete from kv where k in (
		select k from kv where expiration_ms >= 0 and expiration_ms <= ?1
		order by expiration_ms limit ?2 + 0) returning k`, integers: 2},
}

// run runs a prepared statement, at most limit rows of it.
func (c *conn) run(q query, args statement.Args, limit int) (statement.Rows, error) {
	s := c.statements[q]
	if s == nil {
		expiryColumn := queries[q].expiryColumn
		if expiryColumn == 0 {
			expiryColumn = statement.NoColumn
		}
		var err error
		if s, err = c.raw.Prepare(queries[q].text, queries[q].blobs, queries[q].integers, expiryColumn); err != nil {
			return statement.Rows{}, err
		}
		c.statements[q] = s
	}
	return s.Run(args, limit)
}

// exec runs a prepared statement without parameters that gives no rows.
func (c *conn) exec(q query) error {
	_, err := c.run(q, statement.Args{}, 1)
	return err
}

// number runs a prepared statement that gives one integer; found is false if there is
// no row, or a null.
func (c *conn) number(q query, integers ...int64) (n int64, found bool, err error) {
	var args statement.Args
	copy(args.Integers[:], integers)
	rows, err := c.run(q, args, 1)
	if err != nil || rows.Count == 0 {
		return 0, false, err
	}
	n, found = rows.Integer()
	return n, found, nil
}
