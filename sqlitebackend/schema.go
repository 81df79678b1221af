package sqlitebackend

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// schemaVersion is the version of the tables shared with Deno and denokv, as
// written to migration_state.
const schemaVersion = 3

// ErrSchema is returned by Open for a file whose tables this server cannot use.
var ErrSchema = errors.New("the tables of the file do not fit")

const createMigrationState = `
create table if not exists migration_state (
  k integer not null primary key,
  version integer not null
)`

// migrations bring the shared tables from one version to the next. Tables and
// columns are those of Deno, down to the two seq columns that nobody uses.
var migrations = [schemaVersion]string{`
create table data_version (
  k integer primary key,
  version integer not null
);
insert into data_version (k, version) values (0, 0);
create table kv (
  k blob primary key,
  v blob not null,
  v_encoding integer not null,
  version integer not null
) without rowid;
`, `
create table queue (
  ts integer not null,
  id text not null,
  data blob not null,
  backoff_schedule text not null,
  keys_if_undelivered blob not null,
  primary key (ts, id)
);
create table queue_running (
  deadline integer not null,
  id text not null,
  data blob not null,
  backoff_schedule text not null,
  keys_if_undelivered blob not null,
  primary key (deadline, id)
);
`, `
alter table kv add column seq integer not null default 0;
alter table data_version add column seq integer not null default 0;
alter table kv add column expiration_ms integer not null default -1;
create index kv_expiration_ms_idx on kv (expiration_ms);
`}

// tablesOf names what each migration creates.
var tablesOf = [schemaVersion][]string{{"data_version", "kv"}, {"queue", "queue_running"}, nil}

// createDatabaseTable makes the one table that is this server's own.
const createDatabaseTable = `
create table if not exists kvconnect_database (
  k integer primary key check (k = 0),
  id text not null
)`

const (
	// countForeignTables gives 0 for an empty file and for one of Deno KV.
	countForeignTables = `select count(*) from sqlite_schema where type = 'table'
		and not exists (select 1 from sqlite_schema where name = 'migration_state')`

	selectSchemaVersion = "select version from migration_state where k = 0"
	selectDatabaseID    = "select id from kvconnect_database where k = 0"
)

// migrate brings the tables to schemaVersion and gives the database newID if it has no id,
// in one transaction: a file that cannot be used is left as it was.
func migrate(c *conn, newID uuid.UUID) (id uuid.UUID, err error) {
	if err := c.script("begin immediate"); err != nil {
		return uuid.UUID{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.script("rollback"))
		}
	}()
	version, err := usableVersion(c)
	if err != nil {
		return uuid.UUID{}, err
	}
	if err := c.script(createMigrationState); err != nil {
		return uuid.UUID{}, err
	}
	for ; version < schemaVersion; version++ {
		if err := c.script(migrations[version]); err != nil {
			return uuid.UUID{}, fmt.Errorf("%w: migrate to version %d: %w", ErrSchema, version+1, err)
		}
		if err := c.script("replace into migration_state (k, version) values (0, ?1)", version+1); err != nil {
			return uuid.UUID{}, err
		}
	}
	if err := c.script(createDatabaseTable); err != nil {
		return uuid.UUID{}, err
	}
	if err := c.script("insert or ignore into kvconnect_database (k, id) values (0, ?1)", newID.String()); err != nil {
		return uuid.UUID{}, err
	}
	if id, _, err = readDatabaseID(c); err != nil {
		return uuid.UUID{}, err
	}
	return id, c.script("commit")
}

// migratable fails with ErrSchema for a file that migrate would refuse.
func migratable(c *conn) error {
	version, err := usableVersion(c)
	if err != nil {
		return err
	}
	for ; version < schemaVersion; version++ {
		for _, table := range tablesOf[version] {
			found, err := c.queryInt("select count(*) from sqlite_schema where name = ?1", table)
			if err == nil && found > 0 {
				err = fmt.Errorf("%w: migrate to version %d: table %s already exists", ErrSchema, version+1, table)
			}
			if err != nil {
				return err
			}
		}
	}
	if _, _, err := readDatabaseID(c); !isNoTable(err) {
		return err
	}
	return nil
}

// usableVersion gives the version of the tables, 0 for a file without any. It fails
// with ErrSchema for one that cannot be brought to schemaVersion.
func usableVersion(c *conn) (version int64, err error) {
	foreign, err := c.queryInt(countForeignTables)
	if err != nil {
		return 0, err
	}
	if foreign > 0 {
		return 0, fmt.Errorf("%w: it is the database of another program; name another file", ErrSchema)
	}
	version, err = c.queryInt(selectSchemaVersion)
	switch {
	case isNoTable(err):
		return 0, nil
	case err != nil:
		return 0, err
	case version > schemaVersion:
		return 0, errSchemaTooNew(version)
	case version < 0:
		return 0, fmt.Errorf("%w: they have version %d, which there is not", ErrSchema, version)
	default:
		return version, nil
	}
}

// inspect checks the tables of a file that is open for reading only, and gives
// its id, or one derived from its path if it has none.
func inspect(c *conn, path string) (uuid.UUID, error) {
	version, err := c.queryInt(selectSchemaVersion)
	switch {
	case isNoTable(err):
		return uuid.UUID{}, fmt.Errorf("%w: it is no Deno KV database; open it once without --read-only to make it one", ErrSchema)
	case err != nil:
		return uuid.UUID{}, err
	case version > schemaVersion:
		return uuid.UUID{}, errSchemaTooNew(version)
	case version < schemaVersion:
		return uuid.UUID{}, fmt.Errorf("%w: they have version %d; open the file once without --read-only to bring them to version %d",
			ErrSchema, version, schemaVersion)
	}
	id, found, err := readDatabaseID(c)
	if err != nil && !isNoTable(err) {
		return uuid.UUID{}, err
	}
	if !found {
		return uuid.NewSHA1(uuid.NameSpaceURL, []byte("file://"+path)), nil
	}
	return id, nil
}

func readDatabaseID(c *conn) (id uuid.UUID, found bool, err error) {
	columns, err := c.query(selectDatabaseID)
	if err != nil || columns == nil {
		return uuid.UUID{}, false, err
	}
	text, _ := columns[0].(string)
	if id, err = uuid.Parse(text); err != nil {
		return uuid.UUID{}, false, fmt.Errorf("%w: the database id in kvconnect_database is no UUID: %w", ErrSchema, err)
	}
	return id, true, nil
}

func errSchemaTooNew(version int64) error {
	return fmt.Errorf("%w: they have version %d, this server knows versions up to %d; use a newer kvconnect",
		ErrSchema, version, schemaVersion)
}
