package conformance

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
)

// crashWrite is an atomic write of a crashWriter, and what is known of it.
type crashWrite struct {
	writer  int
	mark    string // that its first mutation leaves, and no other write
	request protocol.AtomicWrite
	spoilt  bool // by a mutation that must fail, so that none may be made
	outcome writeOutcome
	version int64 // once it is known to have been made
	// traceBytes is, in a recording, how long the trace was when the reply was there.
	traceBytes int64
}

// crashEntry is what a key holds from a version on.
type crashEntry struct {
	version    int64
	value      protocol.Value
	expireAtMs int64 // 0 for never
	deleted    bool
}

// crashModel is what a database must hold after each of the writes that were made.
type crashModel struct {
	version int64                   // of the last write, or the last one seen
	keys    map[string][]crashEntry // in the order of their versions
}

func newCrashModel() *crashModel { return &crashModel{keys: make(map[string][]crashEntry)} }

// add makes writes that are known to have been made, in the order of their versions.
// It fails if a version is not above all before it, or if a write was made that must not
// have been.
func (m *crashModel) add(writes []*crashWrite) error {
	writes = slices.Clone(writes)
	slices.SortFunc(writes, func(a, b *crashWrite) int { return cmp.Compare(a.version, b.version) })
	for _, write := range writes {
		if write.spoilt {
			return fmt.Errorf("write %s was made, with a sum of what is no number", write.mark)
		}
		if write.version <= m.version {
			return fmt.Errorf("write %s has version %d, but version %d was there before", write.mark, write.version, m.version)
		}
		for _, check := range write.request.Checks {
			if found := protocol.VersionstampOf(m.newest(check.Key).version); found != check.Versionstamp {
				return fmt.Errorf("write %s was made though its check of %s for %s does not hold: it had %s",
					write.mark, keyText(check.Key), check.Versionstamp, found)
			}
		}
		m.version = write.version
		for _, mutation := range write.request.Mutations {
			m.mutate(mutation)
		}
	}
	return nil
}

func (m *crashModel) mutate(mutation protocol.Mutation) {
	key := storedKey(mutation, m.version)
	entry := crashEntry{version: m.version, value: mutation.Value, expireAtMs: mutation.ExpireAtMs}
	switch mutation.Type {
	case protocol.MutationDelete:
		entry = crashEntry{version: m.version, deleted: true}
	case protocol.MutationSum:
		before, _ := m.newest(mutation.Key).value.U64() // 0 if there is none
		operand, _ := mutation.Value.U64()
		entry.value = protocol.U64Value(before + operand)
	default: // sets, the other mutations of a crashWriter
	}
	m.keys[key] = append(m.keys[key], entry)
}

// newest gives what a key holds after all writes, the zero entry if nothing.
func (m *crashModel) newest(key []byte) crashEntry {
	entries := m.keys[string(key)]
	if len(entries) == 0 || entries[len(entries)-1].deleted {
		return crashEntry{}
	}
	return entries[len(entries)-1]
}

// at gives what is there as of a version.
func (m *crashModel) at(version int64) map[string]crashEntry {
	there := make(map[string]crashEntry, len(m.keys))
	for key, entries := range m.keys {
		later, _ := slices.BinarySearchFunc(entries, version+1, func(e crashEntry, v int64) int { return cmp.Compare(e.version, v) })
		if later > 0 && !entries[later-1].deleted {
			there[key] = entries[later-1]
		}
	}
	return there
}

// forget leaves nothing but the newest state.
func (m *crashModel) forget() {
	for key, entry := range m.keys {
		if newest := entry[len(entry)-1]; newest.deleted {
			delete(m.keys, key)
		} else {
			m.keys[key] = []crashEntry{newest}
		}
	}
}

// compare fails if the file does not hold exactly what the writes up to its version
// leave. What has expired by nowMs may have been swept.
func (m *crashModel) compare(file *crashFile, nowMs int64) error {
	want := m.at(file.version)
	var faults []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		expected, stored := want[key], file.entries[key]
		_, found := file.entries[key]
		swept := !found && expected.expireAtMs > 0 && expected.expireAtMs <= nowMs
		if swept || found && sameCrashEntry(expected, stored) {
			continue
		}
		faults = append(faults, fmt.Sprintf("%s holds %s, want %s", keyText([]byte(key)), stored, expected))
	}
	for _, key := range slices.Sorted(maps.Keys(file.entries)) {
		if _, ok := want[key]; !ok {
			faults = append(faults, fmt.Sprintf("%s holds %s, want nothing", keyText([]byte(key)), file.entries[key]))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("as of version %d, %d keys are not what the writes left:\n%s",
			file.version, len(faults), strings.Join(faults[:min(len(faults), 5)], "\n"))
	}
	return nil
}

func sameCrashEntry(a, b crashEntry) bool {
	return a.version == b.version && a.expireAtMs == b.expireAtMs &&
		a.value.Encoding == b.value.Encoding && bytes.Equal(a.value.Data, b.value.Data)
}

// String tells the version and the beginning of the value.
func (e crashEntry) String() string {
	if e.version == 0 {
		return "nothing"
	}
	if _, ok := e.value.U64(); ok {
		return fmt.Sprintf("%s of version %d", valueText(e.value), e.version)
	}
	mark, _, _ := strings.Cut(string(e.value.Data), "|")
	return fmt.Sprintf("%s (%d B) of version %d", mark, len(e.value.Data), e.version)
}

// crashFile is what a database file holds.
type crashFile struct {
	version int64
	entries map[string]crashEntry
}

// errNoTables is of a file that was left before the first tables were made.
var errNoTables = errors.New("the file has no tables")

// readCrashFile reads a database file that nobody has open. SQLite mends it as after
// any crash; then it must find no fault in it.
func readCrashFile(ctx context.Context, path string) (_ *crashFile, err error) {
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var verdict string
	if err := db.QueryRowContext(ctx, "pragma integrity_check").Scan(&verdict); err != nil {
		return nil, fmt.Errorf("integrity_check: %w", err)
	}
	if verdict != "ok" {
		return nil, fmt.Errorf("integrity_check: %s", verdict)
	}
	var tables int
	if err := db.QueryRowContext(ctx, "select count(*) from sqlite_schema where type = 'table'").Scan(&tables); err != nil {
		return nil, err
	}
	if tables == 0 {
		return nil, errNoTables
	}
	file := &crashFile{entries: make(map[string]crashEntry)}
	if err := db.QueryRowContext(ctx, "select version from data_version where k = 0").Scan(&file.version); err != nil {
		return nil, fmt.Errorf("read data_version: %w", err)
	}
	rows, err := db.QueryContext(ctx, "select k, v, v_encoding, version, expiration_ms from kv")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key []byte
		var entry crashEntry
		if err := rows.Scan(&key, &entry.value.Data, &entry.value.Encoding, &entry.version, &entry.expireAtMs); err != nil {
			return nil, err
		}
		entry.expireAtMs = max(0, entry.expireAtMs) // -1 for never
		if entry.version > file.version {
			return nil, fmt.Errorf("%s has version %d, which is above the %d of data_version", keyText(key), entry.version, file.version)
		}
		file.entries[string(key)] = entry
	}
	return file, rows.Err()
}
