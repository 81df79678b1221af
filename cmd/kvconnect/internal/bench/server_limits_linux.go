package bench

import (
	"os"
	"strconv"
	"strings"
)

// processMemory gives the resident memory of a process in bytes.
func processMemory(pid int) (int64, bool) {
	const residentField = 1 // in pages
	columns := strings.Fields(processFile(pid, "statm"))
	if len(columns) <= residentField {
		return 0, false
	}
	pages, err := strconv.ParseInt(columns[residentField], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}

// processOpenFiles gives how many files a process may have open.
func processOpenFiles(pid int) fileLimit { return parseOpenFiles(processFile(pid, "limits")) }

func parseOpenFiles(limits string) fileLimit {
	for line := range strings.Lines(limits) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if !ok {
			continue
		}
		// The limit in force, then how far the process may raise it.
		inForce, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		n, err := strconv.ParseUint(inForce, 10, 64) // or there is none
		return fileLimit{files: n, known: err == nil}
	}
	return fileLimit{}
}

// processFile gives what the kernel tells of a process; nothing if there is no such process.
func processFile(pid int, name string) string {
	if pid <= 0 {
		return ""
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + name)
	if err != nil {
		return ""
	}
	return string(data)
}
