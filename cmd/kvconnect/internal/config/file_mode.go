package config

import (
	"io/fs"
	"runtime"
)

// isOpen tells whether everybody on the machine may read a file with this mode. The group may:
// a service reads what belongs to root and it may not write.
func isOpen(mode fs.FileMode) bool {
	return runtime.GOOS != "windows" && mode.Perm()&0o007 != 0
}
