//go:build unix

package sqlitebackend

import "syscall"

// access fails if this user may not use the file in the way. It does not open it: as
// soon as a process closes a file, it loses all the locks it holds on it, and those of
// a connection that has it open would be gone.
func access(path string, way uint32) error { return syscall.Access(path, way) }
