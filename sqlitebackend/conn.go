package sqlitebackend

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend/internal/statement"
	"github.com/mattn/go-sqlite3"
)

// conn is one SQLite connection. It goes below database/sql, whose pool has no place
// for savepoints; what runs for each read and write goes below the driver too. It is
// not safe for concurrent use.
type conn struct {
	db         *sqlite3.SQLiteConn
	raw        *statement.DB
	statements [queryCount]*statement.Statement // nil until first used
}

// openConn opens the file at path, which is absolute. mode is SQLite's: "ro" or
// "rwc", with further parameters of its URI if need be.
func openConn(path, mode string, pragmas ...string) (*conn, error) {
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=" + mode + "&_mutex=no"}
	opened, err := (&sqlite3.SQLiteDriver{}).Open(name.String())
	if err != nil {
		return nil, err
	}
	db, ok := opened.(*sqlite3.SQLiteConn)
	if !ok {
		return nil, fmt.Errorf("the SQLite driver gave a %T", opened)
	}
	c := &conn{db: db}
	if c.raw, err = statement.Of(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	for _, pragma := range pragmas {
		if err := c.script("pragma " + pragma); err != nil {
			return nil, errors.Join(fmt.Errorf("pragma %s: %w", pragma, err), c.close())
		}
	}
	return c, nil
}

func (c *conn) close() error {
	for _, s := range c.statements {
		if s != nil {
			s.Close()
		}
	}
	err := c.db.Close()
	c.raw.Release()
	return err
}

// script runs statements that give no rows and are not kept prepared.
func (c *conn) script(query string, args ...driver.Value) error {
	_, err := c.db.Exec(query, args)
	return err
}

// query runs a statement that is not kept prepared, and gives the columns of its first
// row; nil if there is none.
func (c *conn) query(query string, args ...driver.Value) (columns []driver.Value, err error) {
	return c.queryUntil(context.Background(), query, args...)
}

// queryUntil is query for a statement that may take long. If ctx ends before it has, the
// error is ctx's.
func (c *conn) queryUntil(ctx context.Context, query string, args ...driver.Value) (columns []driver.Value, err error) {
	named := make([]driver.NamedValue, len(args))
	for i, value := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	rows, err := c.db.QueryContext(ctx, query, named)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns = make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(columns); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, interrupted(ctx, err)
	}
	return columns, nil
}

// interrupted gives the error of ctx for that of a statement which ended with it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && isSQLiteError(err, sqlite3.ErrInterrupt) {
		return ctx.Err()
	}
	return err
}

// queryInt is query for the integer in the first column; 0 if there is no row, or a
// null.
func (c *conn) queryInt(query string, args ...driver.Value) (int64, error) {
	columns, err := c.query(query, args...)
	if err != nil || columns == nil {
		return 0, err
	}
	n, _ := columns[0].(int64)
	return n, nil
}

// mark says of an error of SQLite what it means for the client: whether trying again may
// cure it, and if not, why not.
func mark(op string, err error) error {
	switch {
	case err == nil, errors.Is(err, protocol.ErrUnavailable), errors.Is(err, protocol.ErrDamaged):
		return err
	case diskErrorOf(err) != nil:
		if sentinel := diskErrorOf(err); !errors.Is(err, sentinel) {
			return fmt.Errorf("%s: %w (%w)", op, sentinel, err)
		}
		return fmt.Errorf("%s: %w", op, err)
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
