package kvconnect_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

func TestOneDatabase(t *testing.T) {
	t.Parallel()
	backend := &memoryBackend{}
	databases := kvconnect.OneDatabase(memoryDatabaseID, backend)
	if !databases.IsOpen(memoryDatabaseID) {
		t.Error("it is not open")
	}
	database, err := databases.Lend(t.Context(), memoryDatabaseID)
	if err != nil {
		t.Fatal(err)
	}
	database.Release()
	other := uuid.New()
	if database, err := databases.Lend(t.Context(), other); database != nil || !errors.Is(err, protocol.ErrUnknownDatabase) {
		t.Errorf("another one: %v, %v", database, err)
	}
	if databases.IsOpen(other) {
		t.Error("another one is open")
	}
	if err := databases.Check(t.Context()); err != nil {
		t.Error(err)
	}
	broken := errors.New("the disk is broken")
	backend.become(broken)
	if err := databases.Check(t.Context()); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}
