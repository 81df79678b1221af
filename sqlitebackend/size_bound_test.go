package sqlitebackend_test

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/conformance"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// fullBytes is a bound for tests: large enough to have something kept back for deletes.
const fullBytes = 1 << 20

func remove(key string) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationDelete, Key: []byte(key)}
}

// setBytes gives a value of so many bytes.
func setBytes(key string, valueBytes int) protocol.Mutation {
	return set(key, strings.Repeat("x", valueBytes))
}

// tryWrite tells whether the write was refused for want of room. Nothing else may go
// wrong.
func tryWrite(t *testing.T, b *sqlitebackend.Backend, mutations ...protocol.Mutation) (full bool) {
	t.Helper()
	output, err := b.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: mutations})
	if errors.Is(err, protocol.ErrDatabaseFull) {
		if errors.Is(err, protocol.ErrUnavailable) {
			t.Fatalf("it would be tried again in vain: %v", err)
		}
		return true
	}
	if err != nil || output.Status != protocol.AtomicWriteCommitted {
		t.Fatalf("write: status %v, error %v", output.Status, err)
	}
	return false
}

func stats(t *testing.T, b *sqlitebackend.Backend) sqlitebackend.Stats {
	t.Helper()
	s, err := b.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fill writes values of 900 bytes, four of which fit in a page, until there is no room for
// another, and gives how many there are.
func fill(t *testing.T, b *sqlitebackend.Backend) (n int) {
	t.Helper()
	for n < 10_000 {
		if tryWrite(t, b, setBytes(fmt.Sprintf("fill%06d", n), 900)) {
			return n
		}
		n++
	}
	t.Fatal("there is no bound")
	return 0
}

func TestFullDatabase(t *testing.T) {
	t.Parallel()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), MaxFileBytes: fullBytes})
	const short = "short"
	commit(t, backend, sum("counter"), set(short, "1"))
	n := fill(t, backend)
	if n < 700 {
		t.Errorf("only %d values fit in", n)
	}

	full := setBytes("more", 60_000)
	_, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Mutations: []protocol.Mutation{full}})
	if size := fmt.Sprint(stats(t, backend).FileBytes, " bytes"); err == nil ||
		!strings.Contains(err.Error(), size) || !strings.Contains(err.Error(), strconv.Itoa(fullBytes)) {
		t.Errorf("error %v, want one that names the sizes %s and %d", err, size, fullBytes)
	}
	for _, mayBeLarger := range []bool{false, true} {
		if mayBeLarger {
			backend.SetMaxFileBytes(fullBytes / 4)
		}
		for name, c := range map[string]struct {
			mutations []protocol.Mutation
			full      bool
		}{
			"nothing":                 {},
			"overwrite":               {mutations: []protocol.Mutation{set(short, "2")}},
			"sum":                     {mutations: []protocol.Mutation{sum("counter")}},
			"delete of what is not":   {mutations: []protocol.Mutation{remove("none")}},
			"large":                   {mutations: []protocol.Mutation{full}, full: true},
			"large after others":      {mutations: []protocol.Mutation{set(short, "3"), sum("counter"), full}, full: true},
			"large before a delete":   {mutations: []protocol.Mutation{full, remove(short)}, full: true},
			"large and gone again":    {mutations: []protocol.Mutation{full, remove("more")}, full: true},
			"large versionstamped":    {mutations: []protocol.Mutation{largeVersionstamped()}, full: true},
			"overwrite by larger one": {mutations: []protocol.Mutation{setBytes(short, 60_000)}, full: true},
		} {
			before := readAll(t, backend)
			if got := tryWrite(t, backend, c.mutations...); got != c.full {
				t.Errorf("%s, file larger than the bound: %v: full %v, want %v", name, mayBeLarger, got, c.full)
			}
			if c.full && !reflect.DeepEqual(before, readAll(t, backend)) {
				t.Errorf("%s: the write that was refused left something", name)
			}
		}
		output, err := backend.AtomicWrite(t.Context(), protocol.AtomicWrite{Checks: []protocol.Check{{Key: []byte(short)}}})
		if err != nil || output.Status != protocol.AtomicWriteCheckFailed {
			t.Errorf("checks only: status %v, error %v", output.Status, err)
		}
	}

	backend.SetMaxFileBytes(fullBytes)
	for i := range n / 2 {
		commit(t, backend, remove(fmt.Sprintf("fill%06d", i)))
	}
	if s := stats(t, backend); s.UsedBytes > s.FileBytes*2/3 {
		t.Errorf("after half was deleted %d bytes of %d are in use", s.UsedBytes, s.FileBytes)
	}
	if tryWrite(t, backend, full) {
		t.Error("there is no room after half was deleted")
	}
	if again := fill(t, backend); again < n/3 {
		t.Errorf("after half of %d values were deleted %d fit in", n, again)
	}
	backend.SetMaxFileBytes(0)
	commit(t, backend, setBytes("much more", protocol.MaxValueBytes))
}

func largeVersionstamped() protocol.Mutation {
	m := setBytes("log", 60_000)
	m.Type = protocol.MutationSetVersionstampedKey
	return m
}

// What is too large fails alone: the others of its group are as if it had not been there,
// to the versionstamp.
func TestFullDatabaseInAGroup(t *testing.T) {
	t.Parallel()
	for name, large := range map[string][]protocol.Mutation{
		"first and only mutation": {setBytes("large", 60_000)},
		"after others":            {set("a", "spoilt"), sum("counter"), remove("kept"), setBytes("large", 60_000)},
		"in parts":                {setBytes("large 1", 30_000), setBytes("large 2", 30_000), sum("counter"), sum("counter")},
	} {
		for index := range 4 {
			t.Run(fmt.Sprint(name, ", place ", index), func(t *testing.T) {
				t.Parallel()
				with := open(t, sqlitebackend.Options{Path: tempPath(t)})
				without := open(t, sqlitebackend.Options{Path: tempPath(t)})
				neighbours := []protocol.AtomicWrite{
					{Mutations: []protocol.Mutation{sum("counter"), set("a", "1"), sum("counter")}},
					{Mutations: []protocol.Mutation{set("b", "1"), versionstamped("log")}},
					{Mutations: []protocol.Mutation{remove("a"), sum("counter")}},
				}
				for _, b := range []*sqlitebackend.Backend{with, without} {
					commit(t, b, set("kept", "1"))
					b.SetMaxFileBytes(stats(t, b).FileBytes + 8192)
				}
				watcher, err := with.Watch(protocol.Watch{Keys: [][]byte{[]byte("kept"), []byte("large")}}, func() { t.Error("a watch was told") })
				if err != nil {
					t.Fatal(err)
				}
				defer watcher.Close()

				wantOutputs, wantErrs := writeAsGroup(t, without, neighbours)
				outputs, errs := writeAsGroup(t, with, slices.Insert(slices.Clone(neighbours), index, protocol.AtomicWrite{Mutations: large}))
				if !errors.Is(errs[index], protocol.ErrDatabaseFull) {
					t.Errorf("the large write: error %v", errs[index])
				}
				if err := errors.Join(slices.Concat(wantErrs, slices.Delete(errs, index, index+1))...); err != nil {
					t.Errorf("a neighbour failed: %v", err)
				}
				if diff := cmp.Diff(wantOutputs, slices.Delete(outputs, index, index+1)); diff != "" {
					t.Errorf("neighbours (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(readAll(t, without), readAll(t, with)); diff != "" {
					t.Errorf("database (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// Expired keys are removed from a full database, which makes room.
func TestFullDatabaseIsSwept(t *testing.T) {
	t.Parallel()
	clock := conformance.NewClock()
	backend := open(t, sqlitebackend.Options{Path: tempPath(t), Clock: clock, MaxFileBytes: fullBytes})
	expiry := clock.InMs(time.Second)
	for i := range 200 {
		m := setBytes(fmt.Sprintf("expiring%d", i), 900)
		m.ExpireAtMs = expiry
		commit(t, backend, m)
	}
	fill(t, backend)
	clock.Move(2 * time.Second)
	for n := int64(1); n > 0; {
		s := stats(t, backend)
		if s.ExpiringKeys != 0 {
			t.Fatalf("%d keys are still to expire", s.ExpiringKeys)
		}
		stored, err := backend.StoredKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n = stored - s.Keys
	}
	if n := fill(t, backend); n < 150 {
		t.Errorf("after 200 values expired, %d fit in", n)
	}
}

// sizeModel is what a database holds that is written to at random, at its bound.
type sizeModel struct {
	backend *sqlitebackend.Backend
	random  *rand.Rand
	values  map[string]string
	bound   int64
	// Sizes are drawn up to these.
	keyBytes, valueBytes int

	shrinking bool // deletes more than it adds
	refused   int
}

// TestRandomWritesWithinABound: whatever is written, the file never grows beyond its
// bound, what is refused changes nothing, and what only deletes is never refused.
func TestRandomWritesWithinABound(t *testing.T) {
	t.Parallel()
	for seed, c := range []struct {
		keyBytes, valueBytes int
		bound                int64
	}{
		{10, 100, 60_000},
		{10, protocol.MaxValueBytes, 4_000_000},
		{300, 3000, 300_000},
		{protocol.MaxWriteKeyBytes, 100, 800_000},
		{protocol.MaxWriteKeyBytes, 20_000, 1_500_000},
	} {
		t.Run(fmt.Sprintf("keys of %d and values of %d bytes", c.keyBytes, c.valueBytes), func(t *testing.T) {
			t.Parallel()
			path := tempPath(t)
			m := &sizeModel{
				backend: open(t, sqlitebackend.Options{Path: path, Durability: sqlitebackend.DurabilityNormal}),
				random:  rand.New(rand.NewPCG(uint64(seed), *randomSeed)), values: map[string]string{},
				keyBytes: c.keyBytes, valueBytes: c.valueBytes,
			}
			m.setBound(c.bound)
			for range *randomWrites {
				m.writeGroup(t)
				if m.random.IntN(50) == 0 {
					m.setBound([]int64{c.bound, c.bound / 2}[m.random.IntN(2)])
				}
			}
			if m.refused == 0 {
				t.Error("no write was refused")
			}
			m.verify(t)
			sizeBefore := stats(t, m.backend).FileBytes
			if err := m.backend.Close(); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Size() > c.bound || info.Size() != sizeBefore {
				t.Errorf("the file has %d bytes and had %d to the transaction, at most %d are allowed (%v)", info.Size(), sizeBefore, c.bound, err)
			}
			wantWhole(t, path)
		})
	}
}

func (m *sizeModel) setBound(bytes int64) {
	m.bound = bytes
	m.backend.SetMaxFileBytes(bytes)
}

// wantWhole has SQLite look at all of a file.
func wantWhole(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var said string
	if err := db.QueryRowContext(t.Context(), "pragma integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Errorf("integrity_check says %q, %v", said, err)
	}
}

// key draws one that is there, or a new one.
func (m *sizeModel) key() string {
	if keys := slices.Sorted(maps.Keys(m.values)); len(keys) > 0 && m.random.IntN(3) > 0 {
		return keys[m.random.IntN(len(keys))]
	}
	key := make([]byte, 1+m.random.IntN(m.keyBytes))
	for i := range key {
		key[i] = byte(m.random.Uint32())
	}
	return string(key)
}

func (m *sizeModel) mutations() (mutations []protocol.Mutation, onlyDeletes bool) {
	onlyDeletes = (m.random.IntN(6) == 0) != m.shrinking
	for range 1 + m.random.IntN(5) {
		if onlyDeletes || m.random.IntN(6) == 0 {
			mutations = append(mutations, remove(m.key()))
		} else {
			mutations = append(mutations, setBytes(m.key(), m.random.IntN(1+m.random.IntN(m.valueBytes))))
		}
	}
	return mutations, onlyDeletes
}

// writeGroup has a few writes committed together.
func (m *sizeModel) writeGroup(t *testing.T) {
	t.Helper()
	writes := make([]protocol.AtomicWrite, 1+m.random.IntN(4))
	onlyDeletes := make([]bool, len(writes))
	deletes := 0
	for i := range writes {
		if writes[i].Mutations, onlyDeletes[i] = m.mutations(); onlyDeletes[i] {
			deletes++
		}
	}
	before := stats(t, m.backend).FileBytes
	outputs, errs := writeAsGroup(t, m.backend, writes)
	var committed []int
	for i, err := range errs {
		switch {
		case err == nil:
			committed = append(committed, i)
		case errors.Is(err, protocol.ErrDatabaseFull) && !onlyDeletes[i]:
			m.refused++
			m.shrinking = m.random.IntN(20) == 0
		default:
			t.Fatalf("a write failed (it only deletes: %v): %v", onlyDeletes[i], err)
		}
	}
	// A checkpoint may stand in line too, and then the order is not that of the calls.
	slices.SortFunc(committed, func(i, j int) int {
		return slices.Compare(outputs[i].Versionstamp[:], outputs[j].Versionstamp[:])
	})
	for _, i := range committed {
		m.apply(writes[i].Mutations)
	}
	after := stats(t, m.backend)
	allowed := m.bound
	if before > m.bound { // there is nothing kept for deletes then
		allowed = before + int64(deletes)*4096
	}
	if after.FileBytes > allowed {
		t.Fatalf("the file grew from %d to %d bytes with %d writes that delete, at most %d are allowed", before, after.FileBytes, deletes, m.bound)
	}
	if after.UsedBytes < m.bound/2 {
		m.shrinking = false
	}
}

func (m *sizeModel) apply(mutations []protocol.Mutation) {
	for _, mutation := range mutations {
		if mutation.Type == protocol.MutationDelete {
			delete(m.values, string(mutation.Key))
		} else {
			m.values[string(mutation.Key)] = string(mutation.Value.Data)
		}
	}
}

// verify compares the database with the model.
func (m *sizeModel) verify(t *testing.T) {
	t.Helper()
	if got := stats(t, m.backend).Keys; got != int64(len(m.values)) {
		t.Errorf("%d keys, want %d", got, len(m.values))
	}
	for key, want := range m.values {
		if got, found := get(t, m.backend, key); !found || got != want {
			t.Fatalf("a key of %d bytes has a value of %d bytes (present: %v), want %d", len(key), len(got), found, len(want))
		}
	}
}
