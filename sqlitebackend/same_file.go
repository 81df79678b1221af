package sqlitebackend

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend/internal/inode"
)

const walSuffix = "-wal"

// sameFile tells whether an open database is still where it was opened. If it is not, SQLite
// would write to a file that nobody finds again, and open another one beside it.
type sameFile struct {
	parts []filePart
}

// filePart is the file of a database, or its WAL.
type filePart struct {
	path string
	info fs.FileInfo
	name inode.Name // of info, to look at in passing
}

// sameFileAs is for the database at path, which must be open. It knows the WAL only of one
// that is open for writing: SQLite then keeps it until the database is closed.
func sameFileAs(path string, written bool) (*sameFile, error) {
	paths := []string{path}
	if written {
		paths = append(paths, path+walSuffix)
	}
	f := new(sameFile)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		f.parts = append(f.parts, filePart{path: path, info: info, name: inode.NameOf(path, info)})
	}
	return f, nil
}

func (f *sameFile) path() string { return f.parts[0].path }

// check fails with protocol.ErrFileMoved unless all is where it was. Windows lets nobody
// move an open file.
func (f *sameFile) check() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for i := range f.parts {
		part := &f.parts[i]
		if part.name.Leads() {
			continue
		}
		info, err := os.Stat(part.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s is not there any more", protocol.ErrFileMoved, part.path)
		case err != nil:
			return fmt.Errorf("%w: it cannot be looked at: %w", protocol.ErrFileMoved, err)
		case !os.SameFile(part.info, info):
			return fmt.Errorf("%w: %s is another file now", protocol.ErrFileMoved, part.path)
		}
	}
	return nil
}

// open opens a further connection to the file. It fails with protocol.ErrFileMoved if that
// is not where it was any more.
func (f *sameFile) open(mode string, pragmas ...string) (*conn, error) {
	// Before too, for SQLite would make a WAL in the place of one that is gone.
	if err := f.check(); err != nil {
		return nil, err
	}
	c, err := openConn(f.path(), mode, pragmas...)
	if err == nil {
		if err = f.check(); err == nil {
			return c, nil
		}
		err = errors.Join(err, c.close())
	}
	return nil, fmt.Errorf("open %s once more: %w", f.path(), err)
}
