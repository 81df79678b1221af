package bench

import (
	"fmt"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// otherFiles is how many files a process has open besides connections, roughly: those of the
// database, of the runtime, and connections that are about to be closed.
const otherFiles = 64

// connectionsOf is how many connections a run has open at a time.
func connectionsOf(options *Options) int {
	most := options.Connections
	for _, name := range options.Workloads {
		w, _ := workloadNamed(name)
		switch {
		case w.watches && options.HTTP == httpconn.HTTP1:
			most = max(most, options.Connections+options.Watchers)
		case name == "coldstart":
			most = max(most, options.Connections+options.Concurrency)
		}
	}
	return most
}

// fileLimit is how many files a process may have open, if that is known.
type fileLimit struct {
	files uint64
	known bool
}

func (l fileLimit) allows(files uint64) bool { return !l.known || l.files >= files }

// checkOpenFiles tells of a limit of the system that connections do not fit in, before the
// bench or the server fails in the middle of a run for want of files.
func checkOpenFiles(connections int, bench, server fileLimit) error {
	needed := uint64(connections + otherFiles) //nolint:gosec // not negative
	whose, limit := "the bench", bench
	if bench.allows(needed) {
		whose, limit = "the server", server
	}
	if limit.allows(needed) {
		return nil
	}
	return fmt.Errorf("%s may have %d files open and needs some %d for %d connections: raise its limit (ulimit -n), or give fewer --connections",
		whose, limit.files, needed, connections)
}
