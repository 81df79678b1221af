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
