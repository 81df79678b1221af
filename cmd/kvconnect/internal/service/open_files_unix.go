//go:build unix

package service

import (
	"math"
	"syscall"
)

// maxOpenFiles gives how many files the process may have open; 0 if that is not known. The
// runtime has raised it as far as it goes by the time main begins.
func maxOpenFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
