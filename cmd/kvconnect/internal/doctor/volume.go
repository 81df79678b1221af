package doctor

import "fmt"

// volume is the file system that a folder is in.
type volume struct {
	name     string // "" if it is not known
	kind     volumeKind
	readOnly bool

	freeBytes int64 // for this user
	// files is how many files there may be, 0 where that is not bounded.
	files, freeFiles uint64
}

// volumeKind is what a file system is to a database.
type volumeKind int

const (
	local volumeKind = iota
	// remote ones, and those that are a program, do not do what SQLite needs of locks, of
	// shared memory and of syncs, or not for sure.
	remote
	// inMemory ones are gone with the power.
	inMemory
	// layered ones are those of containers, and gone with the container.
	layered
)

const (
	// littleSpaceBytes is what a server needs to go on for a while.
	littleSpaceBytes = 64 << 20
	littleFiles      = 100
)

// checkVolume looks at the file system of a folder, whose databases have that many bytes.
func (e *examination) checkVolume(folder string, bytes int64) {
	v, known := volumeOf(folder)
	if !known {
		e.ok("file system", "it cannot be looked at")
		return
	}
	for _, finding := range v.findings(bytes, e.options.ReadOnly) {
		e.report.add(finding)
	}
}

// findings are those of a server with databases of that many bytes. To one that only reads, it
// does not matter whether there is room, nor whether files can be made.
func (v volume) findings(bytes int64, readOnly bool) []Finding {
	if readOnly {
		v.readOnly = false
		return []Finding{v.suitability()}
	}
	return []Finding{v.suitability(), v.space(bytes), v.room()}
}

func (v volume) suitability() Finding {
	const check = "file system"
	switch {
	case v.readOnly:
		return Finding{check, Fail, v.name + ", mounted for reading only", "mount it for writing, or start the server with --read-only"}
	case v.kind == remote:
		return Finding{
			check, Warn, v.name + ": it is reached over a network, or through a program",
			"keep the database on a local disk: its locks and syncs may not hold, and a database can be damaged",
		}
	case v.kind == inMemory:
		return Finding{check, Warn, v.name + ": what it holds is gone with the power", "keep the database on a disk"}
	case v.kind == layered:
		return Finding{check, Warn, v.name + ": what it holds is gone with the container", "mount a volume, and keep the database in it"}
	case v.name == "":
		return Finding{check, OK, "its kind is not known", ""}
	default:
		return Finding{check, OK, v.name, ""}
	}
}

// space compares what is free with the size of the databases.
func (v volume) space(bytes int64) Finding {
	const check = "free space"
	found := fmt.Sprintf("%s, for databases of %s", formatBytes(v.freeBytes), formatBytes(bytes))
	switch {
	case v.freeBytes < littleSpaceBytes:
		return Finding{check, Fail, found, "make room, or move the database to a larger disk: when it is full, writes are refused"}
	case v.freeBytes < bytes:
		return Finding{check, Warn, found + ": a copy of them does not fit", "make room, or write backups to another disk"}
	default:
		return Finding{check, OK, found, ""}
	}
}

// room tells how many files may still be made.
func (v volume) room() Finding {
	const check = "free inodes"
	switch {
	case v.files == 0:
		return Finding{check, OK, "not bounded", ""}
	case v.freeFiles < littleFiles:
		return Finding{check, Fail, fmt.Sprintf("%d of %d", v.freeFiles, v.files), "remove files: no more can be made, even where there is space"}
	default:
		return Finding{check, OK, fmt.Sprintf("%d of %d", v.freeFiles, v.files), ""}
	}
}
