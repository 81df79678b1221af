package sqlitebackend

import (
	"errors"
	"fmt"
)

// Durability says what a power cut, or a crash of the operating system, may cost. That
// the process ends costs nothing either way.
type Durability string

const (
	// DurabilityFull costs nothing that was acknowledged. Each commit waits for the disk.
	DurabilityFull Durability = "full"
	// DurabilityNormal costs the last moments of what was acknowledged, but never a part of
	// a write, nor a write without those before it. Only checkpoints wait for the disk.
	DurabilityNormal Durability = "normal"
)

// ErrUnknownDurability is returned for a word that names no Durability.
var ErrUnknownDurability = errors.New("durability is one of full and normal")

// Validate fails with ErrUnknownDurability unless it is one of those above.
func (d Durability) Validate() error {
	_, err := d.pragma()
	return err
}

// pragma gives the setting of SQLite, which uses the same words. The driver is built
// with normal as the default for a file in WAL mode.
func (d Durability) pragma() (string, error) {
	switch d {
	case DurabilityFull, DurabilityNormal:
		return "synchronous = " + string(d), nil
	default:
		return "", fmt.Errorf("%w, not %q", ErrUnknownDurability, string(d))
	}
}
