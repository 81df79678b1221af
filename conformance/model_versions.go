package conformance

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// A write gets the version after that of the write before it. The one exception
// is this: a backend that removes expired keys may take a version for it, and
// nobody is told when it does so. But it needs something to remove, and removes
// all there is, so it takes at most one version for each moment at which keys
// expired. Once it was seen to take one, what had expired by then is gone and
// gives it no reason for another. Nothing else explains a gap: not a write that
// failed, nor a check that did not hold.

// check tells whether the next write may get the version.
func (m *model) check(version int64) error {
	if first, last := m.version+1, m.version+1+int64(len(m.unswept)); version < first || version > last {
		return fmt.Errorf("the write got the version %d, want one from %d to %d", version, first, last)
	}
	return nil
}

// take notes that a write got the version, which check has found right. Versions
// left out were those of sweeps, and a sweep removes what expired at an earlier
// moment before what expired at a later one.
func (m *model) take(version int64) {
	sweeps := min(max(0, version-m.version-1), int64(len(m.unswept)))
	m.unswept = m.unswept[sweeps:]
	m.version = version
}

// replaced notes that a write set or deleted the key: if it had expired, there is
// nothing left of that to remove.
func (m *model) replaced(key string) {
	for i, keys := range m.unswept {
		m.unswept[i] = slices.DeleteFunc(keys, func(k string) bool { return k == key })
	}
	m.unswept = slices.DeleteFunc(m.unswept, func(keys []string) bool { return len(keys) == 0 })
}

// settle puts the keys away that expired just now.
func (m *model) settle() {
	var expired []string
	for key := range m.entries {
		if _, found := m.get(key); !found {
			expired = append(expired, key)
			delete(m.entries, key)
		}
	}
	if len(expired) > 0 {
		m.unswept = append(m.unswept, expired)
	}
}

// moveClock lets time pass. The clock must not be moved in another way, or a
// moment at which keys expired would be missed.
func (m *model) moveClock(d time.Duration) {
	m.clock.Move(d)
	m.settle()
}

// versionOf gives the version counter in a versionstamp.
func versionOf(v protocol.Versionstamp) int64 {
	return int64(binary.BigEndian.Uint64(v[:8])) //nolint:gosec // a wrong one is found by comparing
}
