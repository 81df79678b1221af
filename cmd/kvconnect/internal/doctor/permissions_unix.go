//go:build unix

package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The ways to use a file, as the system call access numbers them.
const (
	mayRead   = 4
	mayWrite  = 2
	mayEnter  = 1
	forOthers = 0o077
	allOthers = 0o007
)

// checkPermissions looks at the file of a database and what SQLite keeps beside it.
func (e *examination) checkPermissions(path string) {
	const check = "permissions"
	info, err := os.Stat(path)
	if err != nil {
		e.fail(check, err.Error(), "let this user read the file and enter its folder")
		return
	}
	mode := info.Mode().Perm()
	described := fmt.Sprintf("mode %04o, owner %d", mode, ownerOf(info))
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if beside, err := os.Stat(path + suffix); err == nil && ownerOf(beside) != ownerOf(info) {
			e.fail(check, fmt.Sprintf("%s%s belongs to user %d, the file to user %d", path, suffix, ownerOf(beside), ownerOf(info)),
				fmt.Sprintf("give it to the owner of the file: chown %d %s%s", ownerOf(info), path, suffix))
			return
		}
	}
	needed, inWords := uint32(mayRead|mayWrite), "read and write"
	if e.options.ReadOnly {
		needed, inWords = mayRead, "read"
	}
	switch folder, err := os.Stat(filepath.Dir(path)); {
	case isForbidden(path, needed):
		e.fail(check, fmt.Sprintf("%s; user %d may not %s it", described, os.Geteuid(), inWords),
			"run the server, and this, as the owner of the file, or give the file to that user with chown")
	case mode&allOthers&^mayEnter&^mayRead != 0:
		e.fail(check, described+": everybody may change it", "run: chmod 600 "+path)
	case mode&forOthers != 0 && err == nil && folder.Mode().Perm()&forOthers != 0:
		e.warn(check, described+": other users of this machine may read what it holds", "run: chmod 600 "+path)
	default:
		e.ok(check, "%s", described)
	}
}

// isForbidden tells whether permissions keep this user from using a file in some ways. That
// its file system can only be read is found by another check, and no owner changes it.
func isForbidden(path string, ways uint32) bool {
	err := syscall.Access(path, ways)
	return err != nil && !errors.Is(err, syscall.EROFS)
}

// checkFolderPermissions looks at the folder of a database, in which SQLite makes files.
func (e *examination) checkFolderPermissions(path string) {
	const check = "folder"
	info, err := os.Stat(path)
	if err != nil {
		e.fail(check, err.Error(), "make the folder, and let the user that the server runs as write in it")
		return
	}
	described := fmt.Sprintf("%s, mode %04o, owner %d", path, info.Mode().Perm(), ownerOf(info))
	switch {
	case !e.options.ReadOnly && isForbidden(path, mayRead|mayWrite|mayEnter):
		e.fail(check, fmt.Sprintf("%s; user %d may not make files in it", described, os.Geteuid()),
			"let the user that the server runs as write in it, with chown")
	case info.Mode().Perm()&allOthers&mayWrite == 0:
		e.ok(check, "%s", described)
	case info.Mode()&fs.ModeSticky != 0:
		e.warn(check, described+": it is for files of everybody", "keep the database in a folder of its own")
	default:
		e.fail(check, described+": everybody may replace the database", "run: chmod o-w "+path)
	}
}

// checkTokenFile tells who else may read a token.
func (e *examination) checkTokenFile(path string) {
	const check = "token file"
	info, err := os.Stat(path)
	switch {
	case err != nil:
		e.fail(check, err.Error(), "check the path")
	case info.Mode().Perm()&allOthers != 0:
		e.warn(check, fmt.Sprintf("%s has mode %04o: every user of this machine may read it", path, info.Mode().Perm()), "run: chmod 600 "+path)
	default:
		e.ok(check, "%s, mode %04o", path, info.Mode().Perm())
	}
}

// checkPrivate fails for a file that others than its owner may read.
func (e *examination) checkPrivate(check, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		e.fail(check, err.Error(), "let this user read it, and enter its folder")
	case info.Mode().Perm()&forOthers != 0:
		e.fail(check, fmt.Sprintf("%s has mode %04o: others may read the keys in it", path, info.Mode().Perm()), "run: chmod 600 "+path)
	default:
		e.ok(check, "%s, mode %04o, owner %d", path, info.Mode().Perm(), ownerOf(info))
	}
}

func ownerOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return 0
}

// sameOwner tells whether two files belong to one user; also if one of them is not there.
func sameOwner(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA != nil || errB != nil || ownerOf(infoA) == ownerOf(infoB)
}
