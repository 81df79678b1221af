package doctor

import "syscall"

// clockUnsynchronised is TIME_ERROR of adjtimex(2).
const clockUnsynchronised = 5

// isUnsynchronised tells whether nobody keeps the clock right, as far as the kernel knows.
func isUnsynchronised() bool {
	var nothingToChange syscall.Timex
	state, err := syscall.Adjtimex(&nothingToChange)
	return err == nil && state == clockUnsynchronised
}
