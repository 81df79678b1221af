package doctor

import "fmt"

const (
	// enoughOpenFiles allows some thousand connections and databases.
	enoughOpenFiles = 8192
	// enoughMemoryBytes is what a server with some connections needs, twice over.
	enoughMemoryBytes = 128 << 20
)

// checkOpenFiles tells how many connections fit. The limit is that of this process; a
// service manager may set another one for the server.
func (e *examination) checkOpenFiles() {
	const check = "open files"
	files, known := openFilesLimit()
	switch {
	case !known:
		e.ok(check, "the limit is not known on this system")
	case files < enoughOpenFiles:
		e.warn(check, fmt.Sprintf("a process started here may have %d open, which is less than that many connections", files),
			"raise the limit: LimitNOFILE= in systemd, --ulimit nofile= in Docker, ulimit -n in a shell")
	default:
		e.ok(check, "a process started here may have %d open", files)
	}
}

// checkMemory tells of a limit on the memory of this process and those beside it.
func (e *examination) checkMemory() {
	const check = "memory"
	switch limit, isLimited := memoryLimitBytes(); {
	case !isLimited:
		e.ok(check, "no limit is set for processes started here")
	case limit < enoughMemoryBytes:
		e.warn(check, "processes started here may have "+formatBytes(limit), "give the server "+formatBytes(enoughMemoryBytes)+" or more")
	default:
		e.ok(check, "processes started here may have %s", formatBytes(limit))
	}
}
