package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

const (
	filledEntries    = 100
	filledValueBytes = 100
)

// filledDatabase is a database with filledEntries entries, and its access token.
type filledDatabase struct{ name, accessToken string }

// key gives the key of an entry: the KV key [i].
func (filledDatabase) key(i int) []byte { return fmt.Appendf(nil, "\x02%04d\x00", i) }

// value gives the value of all entries, which no other database has.
func (d filledDatabase) value() []byte {
	return fmt.Appendf(nil, "%-*s", filledValueBytes, d.mark())
}

// mark is what each value begins with.
func (d filledDatabase) mark() string { return d.name + " " }

// fillFolder makes a data folder with so many databases.
func fillFolder(t *testing.T, count int) (path string, filled []filledDatabase) {
	t.Helper()
	path = t.TempDir()
	dir, err := datadir.Open(t.Context(), datadir.Options{Path: path, Create: true, Durability: sqlitebackend.DurabilityNormal})
	if err != nil {
		t.Fatal(err)
	}
	operations := admin.NewLocal(dir, nil)
	for n := range count {
		database, err := fillDatabase(t.Context(), dir, operations, fmt.Sprintf("database-%04d", n))
		if err != nil {
			t.Fatal(errors.Join(err, dir.Close()))
		}
		filled = append(filled, database)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	return path, filled
}

func fillDatabase(ctx context.Context, dir *datadir.Dir, operations *admin.Local, name string) (filled filledDatabase, err error) {
	created, err := operations.CreateDatabase(ctx, admin.CreateDatabase{Name: name})
	if err != nil {
		return filled, err
	}
	token, err := operations.CreateToken(ctx, admin.CreateToken{Database: name, Scope: access.ScopeWrite})
	if err != nil {
		return filled, err
	}
	filled = filledDatabase{name: name, accessToken: token.AccessToken}
	var write protocol.AtomicWrite
	for i := range filledEntries {
		write.Mutations = append(write.Mutations, protocol.Mutation{
			Type: protocol.MutationSet, Key: filled.key(i), Value: protocol.Value{Data: filled.value(), Encoding: protocol.EncodingBytes},
		})
	}
	database, err := dir.Databases().Lend(ctx, created.ID)
	if err != nil {
		return filled, err
	}
	defer database.Release()
	_, err = database.AtomicWrite(ctx, write)
	return filled, err
}
