package control

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	// applicationID is how SQLite and file(1) know the file: "kvcc".
	applicationID = 0x6b766363

	// schemaVersion is the version of the tables, which is the user_version of the file.
	schemaVersion = 1
)

// createTables makes version 1. Times are milliseconds since 1970, null for never, and a
// limit of 0 is none. A token of a deleted database is in deleted_tokens alone.
const createTables = `
create table databases (
  id text not null primary key,
  name text not null unique,
  created_at_ms integer not null,
  requests_per_second real not null,
  watches integer not null,
  file_bytes integer not null
) strict, without rowid;
create table tokens (
  number integer primary key,
  id text not null unique,
  hash blob not null unique,
  database_id text not null references databases (id),
  scope text not null,
  note text not null,
  created_at_ms integer not null,
  expires_at_ms integer,
  revoked_at_ms integer,
  last_used_at_ms integer,
  requests_per_second real not null,
  watches integer not null
) strict;
create index tokens_by_database on tokens (database_id);
create table deleted_tokens (
  id text not null primary key,
  hash blob not null unique,
  database_id text not null,
  deleted_at_ms integer not null
) strict, without rowid;
create table signing_keys (
  number integer primary key,
  id text not null unique,
  seed blob not null,
  created_at_ms integer not null,
  retired_at_ms integer
) strict;
`

// migrations bring the tables from one version to the next.
func migrations() [schemaVersion]string { return [...]string{createTables} }

// usableVersion gives the version of the tables, 0 for a file without any. It fails with
// ErrUnusable for a file of another program or of a newer version.
func usableVersion(ctx context.Context, conn *sql.Conn) (int, error) {
	var application, version, tables int64
	err := conn.QueryRowContext(ctx, `select application_id, user_version, (select count(*) from sqlite_schema)
		from pragma_application_id, pragma_user_version`).Scan(&application, &version, &tables)
	switch {
	case err != nil:
		return 0, err
	case application == 0 && version == 0 && tables == 0:
		return 0, nil
	case application != applicationID:
		return 0, fmt.Errorf("%w: it is the database of another program; move it away, or name another folder", ErrUnusable)
	case version > schemaVersion:
		return 0, fmt.Errorf("%w: its tables have version %d, this program knows versions up to %d; use a newer kvconnect",
			ErrUnusable, version, schemaVersion)
	case version < 1:
		return 0, fmt.Errorf("%w: its tables have version %d, which there is not", ErrDamaged, version)
	}
	return int(version), nil
}

// migrate brings the tables to schemaVersion. It is called in a transaction.
func migrate(ctx context.Context, conn *sql.Conn, from int) error {
	if from == schemaVersion {
		return nil
	}
	for version, migration := range migrations() {
		if version < from {
			continue
		}
		if _, err := conn.ExecContext(ctx, migration); err != nil {
			return fmt.Errorf("migrate to version %d: %w", version+1, err)
		}
	}
	_, err := conn.ExecContext(ctx, fmt.Sprintf("pragma application_id = %d; pragma user_version = %d", applicationID, schemaVersion))
	return err
}
