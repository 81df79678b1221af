//go:build unix

package bench

import (
	"syscall"
	"time"
)

// ownCPU gives the CPU that this process has used.
func ownCPU() (time.Duration, bool) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, false
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), true
}

// ownOpenFiles gives how many files this process may have open. The runtime has raised the
// limit as far as it may.
func ownOpenFiles() fileLimit {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fileLimit{}
	}
	return fileLimit{files: uint64(limit.Cur), known: true} //nolint:unconvert // it has a sign on some systems
}
