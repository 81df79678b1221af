package access

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// Limits bounds what is used. 0 stands for no bound.
type Limits struct {
	// RequestsPerSecond bounds the calls of the data path. As many as fit into one second
	// may come at once.
	RequestsPerSecond float64
	// Watches bounds the watches that are open at once.
	Watches int
	// FileBytes bounds the size of the file of a database. It means nothing for a token.
	FileBytes int64
}

// Or gives the limits with those of others where there is no bound.
func (l Limits) Or(others Limits) Limits {
	return Limits{
		RequestsPerSecond: cmp.Or(l.RequestsPerSecond, others.RequestsPerSecond),
		Watches:           cmp.Or(l.Watches, others.Watches),
		FileBytes:         cmp.Or(l.FileBytes, others.FileBytes),
	}
}

// ErrInvalidLimits is returned for limits that make no sense.
var ErrInvalidLimits = errors.New("invalid limits")

// Validate fails with ErrInvalidLimits for a limit that is negative or no number.
func (l Limits) Validate() error {
	switch {
	case !(l.RequestsPerSecond >= 0) || math.IsInf(l.RequestsPerSecond, 1):
		return fmt.Errorf("%w: %v requests per second", ErrInvalidLimits, l.RequestsPerSecond)
	case l.Watches < 0:
		return fmt.Errorf("%w: %d watches", ErrInvalidLimits, l.Watches)
	case l.FileBytes < 0:
		return fmt.Errorf("%w: a file of %d bytes", ErrInvalidLimits, l.FileBytes)
	}
	return nil
}
