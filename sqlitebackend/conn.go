package sqlitebackend

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/mattn/go-sqlite3"
)

// conn is one SQLite connection with its prepared statements. It goes below
// database/sql, whose pool has no place for savepoints and whose scanning
// triples the cost of a small read. It is not safe for concurrent use.
type conn struct {
	db    *sqlite3.SQLiteConn
	stmts map[string]driver.Stmt
}

// openConn opens the file at path, which is absolute. mode is SQLite's: "ro" or
// "rwc", with further parameters of its URI if need be.
func openConn(path, mode string, pragmas ...string) (*conn, error) {
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=" + mode + "&_mutex=no"}
	raw, err := (&sqlite3.SQLiteDriver{}).Open(name.String())
	if err != nil {
		return nil, err
	}
	db, ok := raw.(*sqlite3.SQLiteConn)
	if !ok {
		return nil, fmt.Errorf("the SQLite driver gave a %T", raw)
	}
	c := &conn{db: db, stmts: make(map[string]driver.Stmt)}
	for _, pragma := range pragmas {
		if err := c.script("pragma " + pragma); err != nil {
			return nil, errors.Join(fmt.Errorf("pragma %s: %w", pragma, err), c.close())
		}
	}
	return c, nil
}

func (c *conn) close() error {
	errs := make([]error, 0, len(c.stmts)+1)
	for _, stmt := range c.stmts {
		errs = append(errs, stmt.Close())
	}
	c.stmts = nil
	return errors.Join(append(errs, c.db.Close())...)
}

// prepared gives the prepared statement for query, which the connection keeps:
// there are few, and all are constants.
func (c *conn) prepared(query string) (driver.Stmt, error) {
	if stmt, ok := c.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := c.db.Prepare(query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = stmt
	return stmt, nil
}

// script runs statements that take no arguments and are not kept prepared.
func (c *conn) script(query string) error {
	_, err := c.db.Exec(query, nil)
	return err
}

// exec runs a statement that gives no rows.
func (c *conn) exec(query string, args ...driver.Value) error {
	stmt, err := c.prepared(query)
	if err != nil {
		return err
	}
	_, err = stmt.Exec(args) //nolint:staticcheck // ExecContext spawns a goroutine for each call
	return err
}

// query runs a statement and calls row with the columns of each row until there
// are no more or row returns false. The slice is reused; what it holds is not.
func (c *conn) query(query string, args []driver.Value, row func(columns []driver.Value) bool) (err error) {
	stmt, err := c.prepared(query)
	if err != nil {
		return err
	}
	rows, err := stmt.Query(args) //nolint:staticcheck // QueryContext spawns a goroutine for each call
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(columns); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if !row(columns) {
			return nil
		}
	}
}

// queryInt gives the integer in the first column of the first row; found is
// false if there is no row, or a null.
func (c *conn) queryInt(query string, args ...driver.Value) (n int64, found bool, err error) {
	err = c.query(query, args, func(columns []driver.Value) bool {
		n, found = columns[0].(int64)
		return false
	})
	return n, found, err
}

// blob makes a nil slice an empty blob; the driver would bind it as null.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// mark says of an error of SQLite whether trying again may cure it.
func mark(op string, err error) error {
	switch {
	case err == nil, errors.Is(err, protocol.ErrUnavailable), errors.Is(err, protocol.ErrDamaged):
		return err
	case errors.Is(err, ErrSchema), isSQLiteError(err, sqlite3.ErrCorrupt), isSQLiteError(err, sqlite3.ErrNotADB):
		return fmt.Errorf("%s: %w (%w)", op, protocol.ErrDamaged, err)
	default:
		return fmt.Errorf("%s: %w (%w)", op, protocol.ErrUnavailable, err)
	}
}

func isSQLiteError(err error, code sqlite3.ErrNo) bool {
	var sqliteErr sqlite3.Error
	return errors.As(err, &sqliteErr) && sqliteErr.Code == code
}

// isNoTable tells whether a statement failed for want of a table.
func isNoTable(err error) bool {
	return isSQLiteError(err, sqlite3.ErrError) && strings.Contains(err.Error(), "no such table")
}
