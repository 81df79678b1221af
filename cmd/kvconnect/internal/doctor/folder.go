package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
)

// maxExamined is how many databases of a folder are read from end to end, unless the look is
// thorough.
const maxExamined = 100

// folderDatabase is a database that the control database knows.
type folderDatabase struct {
	id   uuid.UUID
	name string
}

// checkFolder looks at what serve --data-dir needs.
func (e *examination) checkFolder(ctx context.Context) {
	folder := e.options.DataDir
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	switch info, err := os.Stat(folder); {
	case errors.Is(err, fs.ErrNotExist):
		e.fail("folder", folder+" is not there", "check --data-dir; if there was none yet, start the server, which makes it")
		return
	case err == nil && !info.IsDir():
		e.fail("folder", folder+" is no folder", "name a folder with --data-dir, or a file with --sqlite-path")
		return
	}
	e.checkFolderPermissions(folder)
	e.checkPrivate("control database", datadir.ControlPath(folder))
	databases, known := e.readControl(ctx, folder)
	var bytes int64
	if known {
		bytes = e.checkDatabases(ctx, folder, databases)
		e.checkContents(folder, databases)
	}
	e.checkVolume(folder, bytes)
}

// readControl gives the databases of the folder, asking the server that has it open.
func (e *examination) readControl(ctx context.Context, folder string) (databases []folderDatabase, known bool) {
	const check = "databases known"
	path := datadir.ControlPath(folder)
	found, err := control.Examine(ctx, path)
	_, adminErr := os.Stat(datadir.AdminPath(folder))
	switch {
	case errors.Is(err, control.ErrInUse):
		return e.askServer(ctx, check, folder)
	case errors.Is(err, fs.ErrNotExist):
		e.fail(check, path+" is not there", "restore it from a backup; in a new folder, start the server, which makes it")
		return nil, false
	case err != nil:
		e.fail(check, err.Error(), "do as it says, or restore control.sqlite from a backup")
		return nil, false
	}
	for _, d := range found.Databases {
		databases = append(databases, folderDatabase{d.ID, d.Name})
	}
	e.ok(check, "%d, signing keys: %d", len(databases), found.Keys)
	if adminErr == nil {
		e.warn("admin file", datadir.AdminPath(folder)+" was left by a server that was killed", "start the server, which replaces it")
	}
	return databases, true
}

// askServer asks the server that has the folder open for its databases.
func (e *examination) askServer(ctx context.Context, check, folder string) (databases []folderDatabase, known bool) {
	access, err := datadir.ReadAdminAccess(folder)
	if err != nil {
		e.warn(check, "a server has the folder open, and cannot be asked: "+err.Error(),
			"start it with --admin-addr, or run this as the user that the server runs as")
		return nil, false
	}
	e.checkPrivate("admin file", datadir.AdminPath(folder))
	client, err := admin.NewClient(access.URL, access.Token)
	if err != nil {
		e.fail(check, err.Error(), "restart the server")
		return nil, false
	}
	found, err := client.Databases(ctx)
	if err = errors.Join(err, client.Close()); err != nil {
		e.fail(check, "the server at "+access.URL+" was asked: "+err.Error(), "look at its log, or restart it")
		return nil, false
	}
	for _, d := range found {
		databases = append(databases, folderDatabase{d.ID, d.Name})
	}
	e.ok(check, "%d, says the server at %s", len(databases), access.URL)
	return databases, true
}

// checkDatabases looks at the file of each database, and gives how many bytes all have.
func (e *examination) checkDatabases(ctx context.Context, folder string, databases []folderDatabase) (bytes int64) {
	const check = "databases"
	examined, healthy := 0, 0
	for _, d := range databases {
		e.databases = append(e.databases, d.id)
		path := datadir.DatabasePath(folder, d.id)
		bytes += bytesOf(path, path+"-wal")
		if examined == maxExamined && !e.options.Thorough {
			continue
		}
		examined++
		if e.checkFolderDatabase(ctx, d, path) {
			healthy++
		}
	}
	skipped := len(databases) - examined
	switch {
	case skipped > 0:
		e.warn(check, fmt.Sprintf("%d of %d looked at, %d whole", examined, len(databases), healthy), "look at all of them with --full, which takes longer")
	default:
		e.ok(check, "%d looked at, %d whole, %s", examined, healthy, formatBytes(bytes))
	}
	return bytes
}

// checkFolderDatabase reports what is wrong with a database, and tells whether nothing is.
func (e *examination) checkFolderDatabase(ctx context.Context, d folderDatabase, path string) bool {
	check := "database " + d.name
	if _, err := os.Stat(path); err != nil {
		e.fail(check, err.Error(), "restore the file from a backup, or look in the trash of the folder")
		return false
	}
	var ids []uuid.UUID
	healthy := true
	for _, finding := range examineDatabase(ctx, path, e.options.Thorough, &ids) {
		if finding.Status != OK {
			finding.Check = check
			e.report.add(finding)
			healthy = false
		}
	}
	if healthy && !slices.Contains(ids, d.id) {
		e.fail(check, path+" holds another database, or one without an id", "restore the file from a backup")
		return false
	}
	return healthy
}

// checkContents looks at what else is in the folder.
func (e *examination) checkContents(folder string, databases []folderDatabase) {
	known := make([]uuid.UUID, len(databases))
	for i, d := range databases {
		known[i] = d.id
	}
	contents, err := datadir.ReadContents(folder, known)
	if err != nil {
		e.fail("leftover files", err.Error(), "let this user read the folder and those in it")
		return
	}
	switch {
	case len(contents.Strays) > 0:
		e.warn("leftover files", "of no database: "+describeFiles(contents.Strays),
			"adopt them with \"kvconnect db adopt FILE\", or move them away")
	case len(contents.Drafts) > 0 && e.server == nil:
		e.warn("leftover files", "not finished: "+describeFiles(contents.Drafts), "start the server, which removes them")
	default:
		e.ok("leftover files", "none")
	}
	e.ok("trash", "%d deleted databases are kept, %s", contents.Trashed, formatBytes(contents.TrashBytes))
}
