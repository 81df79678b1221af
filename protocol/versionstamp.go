package protocol

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// VersionstampBytes is the length of a versionstamp.
const VersionstampBytes = 10

// Versionstamp names a commit. Versionstamps compare as bytes in commit order.
// The first 8 bytes hold the version counter of the database, most significant
// byte first; the last two are zero. The zero Versionstamp belongs to no commit:
// in a check it stands for an absent key.
type Versionstamp [VersionstampBytes]byte

// VersionstampOf gives the versionstamp of a version counter, which must not be
// negative.
func VersionstampOf(version int64) Versionstamp {
	var v Versionstamp
	binary.BigEndian.PutUint64(v[:], uint64(version)) //nolint:gosec // the counter starts at 0 and only grows
	return v
}

// ParseVersionstamp reads the 10 raw bytes of a versionstamp. No bytes at all
// give the zero Versionstamp, as do ten zero bytes: some clients send the one
// and some the other for "absent". Any other length is ErrInvalidVersionstamp.
func ParseVersionstamp(raw []byte) (Versionstamp, error) {
	switch len(raw) {
	case 0:
		return Versionstamp{}, nil
	case VersionstampBytes:
		return Versionstamp(raw), nil
	default:
		return Versionstamp{}, fmt.Errorf("%w, not %d", ErrInvalidVersionstamp, len(raw))
	}
}

// IsZero tells whether v belongs to no commit.
func (v Versionstamp) IsZero() bool { return v == Versionstamp{} }

// String gives the 20 lower-case hexadecimal digits that programs see.
func (v Versionstamp) String() string { return hex.EncodeToString(v[:]) }
