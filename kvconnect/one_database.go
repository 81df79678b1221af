package kvconnect

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/protocol"
)

// OneDatabase gives the Databases of a server that has one, which is always open. The caller
// closes the backend.
func OneDatabase(id uuid.UUID, backend Backend) Databases {
	trouble := func() error { return nil }
	if teller, ok := backend.(TroubleTeller); ok {
		trouble = teller.Trouble
	}
	return oneDatabase{id: id, database: alwaysOpen{backend}, trouble: trouble}
}

type oneDatabase struct {
	id       uuid.UUID
	database Database // made once, so that lending it takes no memory
	trouble  func() error
}

// alwaysOpen is a Backend that nobody needs to give back.
type alwaysOpen struct{ Backend }

func (alwaysOpen) Release() {}

func (o oneDatabase) Lend(_ context.Context, id uuid.UUID) (Database, error) {
	if id != o.id {
		return nil, protocol.ErrUnknownDatabase
	}
	return o.database, nil
}

func (o oneDatabase) IsOpen(id uuid.UUID) bool { return id == o.id }

// Check implements Databases: it reads, and asks for trouble.
func (o oneDatabase) Check(ctx context.Context) error {
	_, err := o.database.SnapshotRead(ctx, protocol.SnapshotRead{
		// A range without entries: it takes a real read, and meets no entry that
		// might be damaged.
		Ranges: []protocol.ReadRange{{Start: []byte{0}, End: []byte{0}, Limit: 1}},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return o.trouble()
}
