//go:build !unix

package bench

import "time"

// ownCPU gives the CPU that this process has used, where that is known.
func ownCPU() (time.Duration, bool) { return 0, false }

// ownOpenFiles gives how many files this process may have open, where that can be found out.
func ownOpenFiles() fileLimit { return fileLimit{} }
