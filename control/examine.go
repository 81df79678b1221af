package control

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/kvconnect/kvconnect/access"
)

// Examination is what Examine finds in a control database.
type Examination struct {
	// Databases are sorted by name.
	Databases []Database
	// Keys is the number of signing keys.
	Keys int
}

// Examine reads the control database at path and changes nothing. It fails with ErrInUse if
// a Store has it open, with fs.ErrNotExist if there is none, and otherwise as Open does; with
// ErrUnusable also for tables that Open would bring up to date.
func Examine(ctx context.Context, path string) (Examination, error) {
	found, err := examine(ctx, path)
	if err != nil {
		return Examination{}, fmt.Errorf("examine control database %s: %w", path, explain(err))
	}
	return found, nil
}

func examine(ctx context.Context, path string) (_ Examination, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return Examination{}, err
	}
	if err := refuse(path); err != nil {
		return Examination{}, err
	}
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=ro&_busy_timeout=0"}
	db, err := sql.Open("sqlite3", name.String())
	if err != nil {
		return Examination{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return Examination{}, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	version, err := usableVersion(ctx, conn)
	if err != nil {
		return Examination{}, err
	}
	if version != schemaVersion {
		return Examination{}, fmt.Errorf("%w: its tables have version %d; start the server once, which brings them to version %d",
			ErrUnusable, version, schemaVersion)
	}
	var problem string
	if err := conn.QueryRowContext(ctx, "pragma integrity_check(1)").Scan(&problem); err != nil {
		return Examination{}, err
	}
	if problem != "ok" {
		return Examination{}, fmt.Errorf("%w (%s)", ErrDamaged, strings.TrimSpace(problem))
	}
	m, err := load(ctx, conn, access.Limits{})
	if err != nil {
		return Examination{}, err
	}
	read := &Store{mirror: m}
	return Examination{Databases: read.Databases(), Keys: len(read.Keys())}, nil
}
