package main

import (
	"runtime"
	"runtime/debug"

	sqlite3 "github.com/mattn/go-sqlite3"
)

// devel is the version of what was built without one, as by go run.
const devel = "(devel)"

// build says what was built, of what and with what.
type build struct {
	Version string `json:"version"` // a tag, or one that is made of a commit; (devel) if there is none
	// Revision, Time and Modified are those of the commit; empty if the build did not
	// record it.
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // in RFC 3339
	Modified bool   `json:"modified"`       // files were not as in the commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	SQLite   string `json:"sqlite"`
}

// readBuild reads what the build recorded.
func readBuild() build {
	sqlite, _, _ := sqlite3.Version()
	b := build{Version: devel, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, SQLite: sqlite}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

// version gives the version that the build recorded: a tag, or a commit.
func version() string { return readBuild().Version }
