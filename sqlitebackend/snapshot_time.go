package sqlitebackend

import "errors"

// snapshotTime is the moment of a snapshot, which lies between two readings of the
// clock: one before it was taken and one after. A snapshot and a time that do not
// belong together would show a key that others have seen expire beside what they
// wrote since.
type snapshotTime struct {
	clock    *expiryClock
	beforeMs int64
	afterMs  int64 // 0 until it was read: with the first rows, or before them by a read that is made again
	expiryMs int64 // the first among those of the keys found; 0 for none
}

// errUndecided: a key expired between the two readings. The same read begun now
// finds it expired.
var errUndecided = errors.New("a key expired while the snapshot was taken")

// undecided tells whether a key that had not expired before the snapshot may have
// expired at its moment. It must be called with the snapshot taken, which the
// first row of a statement shows.
func (t *snapshotTime) undecided(expirationMs int64) bool {
	if expirationMs < 0 {
		return false
	}
	if t.expiryMs == 0 || expirationMs < t.expiryMs {
		t.expiryMs = expirationMs
	}
	if t.afterMs == 0 {
		t.afterMs = t.clock.nowMs()
	}
	return expirationMs <= t.afterMs
}
