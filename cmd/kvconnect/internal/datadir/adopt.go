package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// ErrNoFile is returned by AdoptDatabase for a path that names a folder, or something else
// that is no file.
var ErrNoFile = errors.New("it is no file: name the file of a database")

// secretsSuffix is what the name of the secrets file of the one-database mode has beyond
// that of the database.
const secretsSuffix = ".secrets.json"

// draftPrefix begins the names of files that are being made. What a crash left of them is
// removed at the next start.
const draftPrefix = "draft-"

// AdoptDatabase copies a file of the one-database mode into the folder, with its id. The
// access tokens of the hashes go on to open it or, if there are none, the one that was made
// for it: where another one was chosen, that one opens it no more. The file itself stays as it is, unless it is in the place already where the folder
// keeps a database of that id: then its copy takes its place.
//
// If it fails after the database is there, it gives the database, with the tokens that are.
func (d *Dir) AdoptDatabase(
	ctx context.Context, path, name string, limits access.Limits, hashes []auth.AccessTokenHash,
) (database control.Database, tokens []control.Token, err error) {
	if err := d.control.CheckNewDatabase(uuid.Nil, name); err != nil {
		return control.Database{}, nil, err
	}
	adopted, err := d.copyToAdopt(ctx, path)
	if err != nil {
		return control.Database{}, nil, fmt.Errorf("adopt database: %w", err)
	}
	if database, err = d.admit(ctx, adopted, name, limits); err != nil {
		return control.Database{}, nil, errors.Join(err, removeFiles(adopted.draft))
	}
	ctx = context.WithoutCancel(ctx) // a database without its tokens is half of what was asked for
	if len(hashes) == 0 {
		hashes = adopted.hashes
	}
	for i, hash := range hashes {
		if slices.Contains(hashes[:i], hash) {
			continue
		}
		token, err := d.control.CreateToken(ctx, control.NewToken{
			DatabaseID: database.ID, Scope: access.ScopeWrite, Note: "from the one-database mode", Hash: hash,
		})
		if err != nil {
			return database, tokens, fmt.Errorf("the database is adopted, but not its access token: %w", err)
		}
		tokens = append(tokens, token)
	}
	return database, tokens, nil
}

// adoption is a database on its way into the folder.
type adoption struct {
	id     uuid.UUID
	source fs.FileInfo
	draft  string                 // the path of the copy
	hashes []auth.AccessTokenHash // of the access token that was made for it, if there is one
}

// copyToAdopt takes its time for a large file, so nobody waits for it.
func (d *Dir) copyToAdopt(ctx context.Context, path string) (a adoption, err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return adoption{}, err
	}
	if a.source, err = os.Stat(path); err != nil {
		return adoption{}, err
	}
	if !a.source.Mode().IsRegular() {
		return adoption{}, fmt.Errorf("%s: %w", path, ErrNoFile)
	}
	if a.hashes, err = madeToken(path); err != nil {
		return adoption{}, err
	}
	a.draft = filepath.Join(d.path, databasesFolder, draftPrefix+uuid.NewString())
	a.id, err = sqlitebackend.Copy(ctx, path, a.draft)
	return a, err
}

// admit puts the copy in its place and the database into the control database.
func (d *Dir) admit(ctx context.Context, a adoption, name string, limits access.Limits) (control.Database, error) {
	if err := d.beginChange(); err != nil {
		return control.Database{}, err
	}
	defer d.changing.Unlock()
	if err := d.control.CheckNewDatabase(a.id, name); err != nil {
		return control.Database{}, err
	}
	path := d.databasePath(a.id)
	inPlace := false
	if there, err := os.Stat(path); err == nil {
		inPlace = os.SameFile(there, a.source)
	}
	// A file of that id that nobody knows may be all that is left of a database, and a
	// WAL that is not the copy's would be taken for its own.
	if exists(path) && !inPlace || exists(path+"-wal") || exists(path+"-journal") {
		return control.Database{}, fmt.Errorf("adopt database: %w: %s, which belongs to no database: adopt that one, or move it away",
			fs.ErrExist, path)
	}
	if err := moveFile(a.draft, path); err != nil {
		return control.Database{}, fmt.Errorf("adopt database: %w", err)
	}
	database, err := d.control.CreateDatabase(ctx, control.Database{ID: a.id, Name: name, Limits: limits})
	if err != nil && !inPlace {
		err = errors.Join(err, d.removeDatabaseFiles(a.id))
	}
	return database, err
}

// madeToken gives the hash of the access token that was made for a database of the
// one-database mode; none if there is none.
func madeToken(path string) ([]auth.AccessTokenHash, error) {
	secrets, err := auth.LoadSecrets(path + secretsSuffix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case secrets.AccessToken == nil:
		return nil, nil
	default:
		return []auth.AccessTokenHash{*secrets.AccessToken}, nil
	}
}

// removeDrafts removes what a process that was killed had not finished.
func (d *Dir) removeDrafts() error {
	for _, folder := range []string{"", databasesFolder, trashFolder} {
		entries, err := os.ReadDir(filepath.Join(d.path, folder))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.IsDir() || !strings.HasPrefix(entry.Name(), draftPrefix) {
				continue
			}
			if err := removeFiles(filepath.Join(d.path, folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
