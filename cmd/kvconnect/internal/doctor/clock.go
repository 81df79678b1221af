package doctor

import (
	"fmt"
	"os"
	"time"
)

const (
	// firstYear and lastYear are those in which this program is thought to run.
	firstYear, lastYear = 2025, 2125

	// clockTolerance is how far the time of a file may be ahead: that of a file system has
	// grains, and may be another machine's.
	clockTolerance = 2 * time.Second
)

// checkClock compares the clock with what is written of times. Keys expire by it, and
// tokens are signed with it.
func (e *examination) checkClock() {
	const (
		check  = "clock"
		advice = "set the clock, and have it kept right by chrony or systemd-timesyncd: keys expire by it"
	)
	now := e.options.Now()
	path := e.options.SQLitePath
	if e.options.DataDir != "" {
		path = e.options.DataDir
	}
	newest := newestOf(path, path+"-wal")
	switch year := now.UTC().Year(); {
	case year < firstYear || year > lastYear:
		e.fail(check, fmt.Sprintf("it says that the year is %d", year), advice)
	case newest.After(now.Add(clockTolerance)):
		e.fail(check, fmt.Sprintf("it is behind: %s was written %s from now", path, newest.Sub(now).Round(time.Second)), advice)
	case isUnsynchronised():
		e.warn(check, now.UTC().Format("2006-01-02 15:04:05Z")+"; the system does not know whether it is right", advice)
	default:
		e.ok(check, "%s", now.UTC().Format("2006-01-02 15:04:05Z"))
	}
}

// newestOf gives when the last of the files was written; those that are not there were never.
func newestOf(paths ...string) (newest time.Time) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest
}
