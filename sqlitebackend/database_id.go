package sqlitebackend

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"
)

// ReadDatabaseID gives the id of the database at path, which other programs may have open,
// without changing anything; found is false if it has none, as a file of Deno's. It fails
// with ErrSchema for a file that is no Deno KV database.
func ReadDatabaseID(path string) (id uuid.UUID, found bool, err error) {
	id, found, err = databaseIDAt(path)
	if err != nil {
		return uuid.UUID{}, false, fmt.Errorf("read the database id of %s: %w", path, damaged(err))
	}
	return id, found, nil
}

func databaseIDAt(path string) (id uuid.UUID, found bool, err error) {
	if path, err = resolve(path); err != nil {
		return uuid.UUID{}, false, err
	}
	if _, err := os.Stat(path); err != nil {
		return uuid.UUID{}, false, err
	}
	c, err := openUntouched(path)
	if err != nil {
		return uuid.UUID{}, false, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := mustBeKV(c); err != nil {
		return uuid.UUID{}, false, err
	}
	id, found, err = readDatabaseID(c)
	if isNoTable(err) {
		return uuid.UUID{}, false, nil
	}
	return id, found, err
}

// mustBeKV fails with ErrSchema for a file that Open would refuse or make tables in.
func mustBeKV(c *conn) error {
	version, err := usableVersion(c)
	if err == nil && version == 0 {
		err = fmt.Errorf("%w: it is no Deno KV database", ErrSchema)
	}
	return err
}
