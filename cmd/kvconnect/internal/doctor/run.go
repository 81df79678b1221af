package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Options says what to look at. The names are those of the flags of serve.
type Options struct {
	// SQLitePath is the file of the one-database mode. It means nothing if there is a DataDir.
	SQLitePath string
	DataDir    string
	// ReadOnly says that the server of a file only reads it, and need not be able to write.
	ReadOnly bool
	// Addr and AdminAddr are the addresses of a server; AdminAddr may be "" for none.
	Addr, AdminAddr string
	// Token is the access token of the file, or the master token of the folder.
	Token Token
	// Thorough compares each index with its table, and looks into all databases of a folder.
	Thorough bool
	// Now is time.Now if nil.
	Now func() time.Time
}

// examination is under way.
type examination struct {
	options Options
	report  Report
	// server is what answers at the address for clients; nil if nothing of ours does.
	server *server
	// databases are the ids of what the file or the folder holds.
	databases []uuid.UUID
}

// Run makes all checks. When ctx ends, those that take long fail.
func Run(ctx context.Context, options Options) Report {
	if options.Now == nil {
		options.Now = time.Now
	}
	e := &examination{options: options}
	e.checkAddresses(ctx)
	if options.DataDir != "" {
		e.checkFolder(ctx)
	} else {
		e.checkFile(ctx)
	}
	e.checkToken(ctx)
	e.checkClock()
	e.checkOpenFiles()
	e.checkMemory()
	return e.report
}

func (e *examination) ok(check, format string, args ...any) {
	e.report.add(Finding{Check: check, Status: OK, Found: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(check, found, advice string) {
	e.report.add(Finding{Check: check, Status: Warn, Found: found, Advice: advice})
}

func (e *examination) fail(check, found, advice string) {
	e.report.add(Finding{Check: check, Status: Fail, Found: found, Advice: advice})
}

// formatBytes gives a size for people, in the units of df --si.
func formatBytes(n int64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if n < 10_000 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n = (n + 500) / 1000
	}
	return fmt.Sprintf("%d TB", n)
}
