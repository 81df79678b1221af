//go:build !unix

package bench

import "time"

// ownCPU gives the CPU that this process has used, where that is known.
func ownCPU() (time.Duration, bool) { return 0, false }
