package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvconnect/kvconnect/auth"
)

// secretsSuffix is what the name of the secrets file has beyond that of the database.
const secretsSuffix = ".secrets.json"

// checkFile looks at what serve --sqlite-path needs.
func (e *examination) checkFile(ctx context.Context) {
	path := e.options.SQLitePath
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	folder := filepath.Dir(path)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.fail("file", path+" is not there", "check --sqlite-path; if there was no database yet, start the server, which makes it")
	case err != nil:
		e.fail("file", err.Error(), "let this user read the file and enter its folder")
	case !info.Mode().IsRegular():
		e.fail("file", path+" is no file", "name the file of a database with --sqlite-path")
	default:
		for _, finding := range examineDatabase(ctx, path, e.options.Thorough, &e.databases) {
			e.report.add(finding)
		}
		e.checkPermissions(path)
		e.checkWAL(path)
	}
	e.checkFolderPermissions(folder)
	e.checkSecrets(path)
	e.checkLeftovers(path)
	e.checkVolume(folder, bytesOf(path, path+"-wal"))
}

func bytesOf(paths ...string) (total int64) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			total += info.Size()
		}
	}
	return total
}

// checkSecrets looks at the file with the key that signs tokens.
func (e *examination) checkSecrets(database string) {
	const check = "secrets file"
	path := database + secretsSuffix
	_, err := auth.LoadSecrets(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.ok(check, "%s is not there: the server makes it", path)
	case errors.Is(err, auth.ErrSecrets):
		e.fail(check, err.Error(), "do as it says, or restore the file from a backup; without it a new access token is made")
	case err != nil:
		e.fail(check, err.Error(), "let the user that the server runs as, and nobody else, read and write the file")
	case !sameOwner(path, database):
		e.fail(check, path+" has another owner than the database", "give both to the user that the server runs as, with chown")
	default:
		e.ok(check, "%s can be read by its owner alone", path)
	}
}

// checkLeftovers looks for what a program left that was killed while it made a file.
func (e *examination) checkLeftovers(database string) {
	const check = "leftover files"
	var left []string
	for _, pattern := range []string{".*.tmp", secretsSuffix + ".*"} {
		found, err := filepath.Glob(escapePattern(database) + pattern)
		if err == nil {
			left = append(left, found...)
		}
	}
	if len(left) == 0 {
		e.ok(check, "none")
		return
	}
	e.warn(check, describeFiles(left), "they were not finished: remove them, unless a program is making them just now")
}

// maxNamedFiles is how many files are named one by one.
const maxNamedFiles = 3

func describeFiles(paths []string) string {
	if len(paths) > maxNamedFiles {
		return fmt.Sprintf("%d files, such as %s", len(paths), paths[0])
	}
	return strings.Join(paths, ", ")
}

// escapePattern gives the pattern that a path alone fits.
func escapePattern(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
