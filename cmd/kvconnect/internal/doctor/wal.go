package doctor

import (
	"fmt"
	"os"
)

const (
	// largeWALBytes is far beyond what a server without long reads needs.
	largeWALBytes = 256 << 20
)

// checkWAL looks at the write-ahead log beside a database.
func (e *examination) checkWAL(path string) {
	const check = "write-ahead log"
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() == 0 {
		e.ok(check, "none, all is in the file")
		return
	}
	size := formatBytes(info.Size())
	isOpen, process := openInAProcess(path)
	holder := "a program has the file open"
	if process > 0 {
		holder = fmt.Sprintf("process %d has the file open", process)
	}
	switch isLarge := info.Size() > largeWALBytes; {
	case isOpen && isLarge:
		e.warn(check, size+", "+holder, "a long read or another program keeps it from being written back: look for one, or restart the server")
	case isOpen:
		e.ok(check, "%s, %s", size, holder)
	case isLarge:
		e.warn(check, size+", and no program has the file open", "start the server, which writes it back; do not remove it, it has the last writes")
	default:
		e.ok(check, "%s, left by a program that was killed: the server writes it back", size)
	}
}
