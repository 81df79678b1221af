package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// open puts what a power cut left into the folder and opens it as a server does. It
// gives the version that the database was found at, and fails if the database is not
// exactly what the writes up to that version left.
func (r *diskRecording) open(ctx context.Context, folder string, cut powerCut) (version int64, err error) {
	path := filepath.Join(folder, "kv.sqlite")
	for _, suffix := range databaseSuffixes {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	for name, content := range cut.contents {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return 0, err
		}
	}
	key := crashKey("after the power cut")
	if version, err = r.writeTo(ctx, path, key, cut.ready); err != nil {
		return 0, err
	}
	file, err := readCrashFile(ctx, path)
	if err != nil {
		return 0, err
	}
	if entry := file.entries[string(key)]; file.version != version || entry.version != version {
		return 0, fmt.Errorf("the write that got version %d has %d, and data_version is %d", version, entry.version, file.version)
	}
	// Before that write there was this:
	delete(file.entries, string(key))
	file.version--
	return file.version, r.model.compare(file, r.endMs)
}

// writeTo opens the database and makes one write, which takes the next version.
func (r *diskRecording) writeTo(ctx context.Context, path string, key []byte, ready bool) (version int64, err error) {
	// To a clock that is far behind nothing has expired, so that nothing is swept, which
	// would take a version too.
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: path, Clock: NewClock(), ReadConns: 1})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	if id := backend.DatabaseID(); ready && id != r.databaseID {
		return 0, fmt.Errorf("the database has the id %s, but clients know it as %s", id, r.databaseID)
	}
	output, err := backend.AtomicWrite(ctx, protocol.AtomicWrite{Mutations: []protocol.Mutation{set(key, text("here"))}})
	return versionOf(output.Versionstamp), err
}
