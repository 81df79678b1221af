//go:build unix

package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// somebody is who the program runs as where permissions matter and the tests run as
// root, to whom they do not apply.
const somebody = 65534

// refusedFile is a file that the program must refuse, with a text that says what to
// do, and leave as it was with everything beside it.
type refusedFile struct {
	// prepare makes it in a folder of its own.
	prepare func(t *testing.T, folder string)
	// path is that of the file; kv.sqlite if it is left out.
	path string
	args []string
	want string // what the program says; a regular expression
}

const (
	migrationState = "create table migration_state (k integer not null primary key, version integer not null);"
	newerTables    = migrationState + "insert into migration_state values (0, 4)"
	olderTables    = migrationState + "insert into migration_state values (0, 1)"
	currentTables  = migrationState + "insert into migration_state values (0, 3)"
)

const (
	saysNewer      = "they have version 4, this server knows versions up to 3; use a newer kvconnect$"
	saysNotSQLite  = "the file is not an SQLite database; name another one$"
	saysDamaged    = "the file is damaged, or a part of it is missing; restore it from a backup$"
	saysForeign    = "it is the database of another program; name another file$"
	saysNoFolder   = "check that the folder exists and that this user may read and write in it$"
	saysPermission = "give this user permission to read and write the file and to write in its folder, or use --read-only$"
	saysMayNotRead = "to be opened for reading only, the file must be there and this user must be allowed to read it$"
)

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	program := copyOfProgram(t)
	readOnly := []string{"--read-only"}
	const inWALMode = "pragma journal_mode = wal"
	for name, c := range map[string]refusedFile{
		"newer tables":                     {prepare: withSQL(newerTables), want: saysNewer},
		"newer tables in WAL mode":         {prepare: withSQL(inWALMode, newerTables), want: saysNewer},
		"newer tables, read-only":          {prepare: withSQL(inWALMode, newerTables), args: readOnly, want: saysNewer},
		"newer tables in the WAL":          {prepare: leftOpen(newerTables), want: saysNewer},
		"newer tables in the WAL, reading": {prepare: leftOpen(newerTables), args: readOnly, want: saysNewer},
		"not SQLite":                       {prepare: withFile(strings.Repeat("no database\n", 1000)), want: saysNotSQLite},
		"not SQLite and short":             {prepare: withFile("no"), want: saysNotSQLite},
		"not SQLite, read-only":            {prepare: withFile("no"), args: readOnly, want: saysNotSQLite},
		"cut short in the header":          {prepare: truncated(60), want: saysDamaged},
		"cut short in the first page":      {prepare: truncated(3000), want: saysDamaged},
		"cut short between pages":          {prepare: truncated(3 * 4096), want: saysDamaged},
		"cut short, read-only":             {prepare: truncated(3 * 4096), args: readOnly, want: saysDamaged},
		"foreign tables":                   {prepare: withSQL("create table users (name text)"), want: saysForeign},
		"foreign table of a name of ours":  {prepare: withSQL(inWALMode, "create table kv (k text)"), want: saysForeign},
		"foreign tables in the WAL":        {prepare: leftOpen("create table users (name text)"), want: saysForeign},
		"foreign tables, read-only":        {prepare: withSQL("create table users (name text)"), args: readOnly, want: "it is no Deno KV database; open it once without --read-only to make it one$"},
		"a table in the way":               {prepare: withSQL(olderTables, "create table queue (name text)"), want: "migrate to version 2: table queue already exists$"},
		"a table in the way, in the WAL":   {prepare: leftOpen(olderTables + "; create table queue (name text)"), want: "migrate to version 2: table queue already exists$"},
		"a version that there is not":      {prepare: leftOpen(migrationState + "insert into migration_state values (0, -1)"), want: "they have version -1, which there is not$"},
		"an id that is none, in the WAL":   {prepare: leftOpen(currentTables + "; create table kvconnect_database (k integer primary key, id text); insert into kvconnect_database values (0, 'x')"), want: "the database id in kvconnect_database is no UUID: .*$"},
		"older tables, read-only":          {prepare: withSQL(inWALMode, olderTables), args: readOnly, want: "they have version 1; open the file once without --read-only to bring them to version 3$"},
		"a folder":                         {prepare: nothing, path: ".", want: "it is a folder: name a file in it$"},
		"a folder, read-only":              {prepare: nothing, path: ".", args: readOnly, want: "it is a folder: name a file in it$"},
		"in a folder that is not there":    {prepare: nothing, path: "none/kv.sqlite", want: saysNoFolder},
		"below a file":                     {prepare: withFile("no"), path: "kv.sqlite/kv.sqlite", want: saysNoFolder},
		"not there, read-only":             {prepare: nothing, args: readOnly, want: saysMayNotRead},
		"not to be read":                   {prepare: permitted(0, 0o700), want: saysPermission},
		"not to be read, read-only":        {prepare: permitted(0, 0o700), args: readOnly, want: saysMayNotRead},
		"not to be written":                {prepare: permitted(0o400, 0o700), want: saysPermission},
		"in a folder not to be written":    {prepare: permitted(0o600, 0o500), want: saysPermission},
		"neither to be written":            {prepare: permitted(0o400, 0o500), want: saysPermission},
		"in a folder not to be entered":    {prepare: permitted(0o600, 0), want: saysPermission},
		"the same, read-only":              {prepare: permitted(0o600, 0), args: readOnly, want: saysMayNotRead},
		"to be made where it cannot be":    {prepare: func(t *testing.T, folder string) { t.Helper(); permit(t, folder, 0o500) }, want: saysNoFolder},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := openFolder(t)
			c.prepare(t, folder)
			if c.path == "" {
				c.path = "kv.sqlite"
			}
			wantRefused(t, program, folder, c)
		})
	}
}

func wantRefused(t *testing.T, program, folder string, c refusedFile) {
	t.Helper()
	before := contents(t, folder)
	path := filepath.Join(folder, c.path)
	ctx, cancel := context.WithTimeout(t.Context(), scriptPatience) // it might serve the file
	defer cancel()
	command := exec.CommandContext(ctx, program, append([]string{"serve", "--sqlite-path", path, "--addr", "127.0.0.1:0", "--admin-addr", ""}, c.args...)...)
	command.Dir = filepath.Dir(program)
	command.Env = []string{"DENO_KV_ACCESS_TOKEN=abcdefghijkl"}
	if os.Geteuid() == 0 {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}}
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the program ended with %v, want the exit code 1\n%s", err, &stderr)
	}
	if stdout.Len() > 0 {
		t.Errorf("the program printed\n%s", &stdout)
	}
	said := strings.TrimRight(stderr.String(), "\n")
	if !strings.HasPrefix(said, "kvconnect: open database "+path+": ") || strings.Contains(said, "\n") || !regexp.MustCompile(c.want).MatchString(said) {
		t.Errorf("the program said\n%s\nwant one line that names the path and says %q", said, c.want)
	}
	if diff := cmp.Diff(before, contents(t, folder)); diff != "" {
		t.Errorf("the folder has changed (-before +after):\n%s", diff)
	}
}

// copyOfProgram gives a program that everybody may run.
func copyOfProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(openFolder(t), "kvconnect")
	// A process that another test starts meanwhile would have the file open for
	// writing until it runs its own program, and this one could not be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// openFolder gives a folder that belongs to whom the program runs as, in folders that
// everybody may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(filepath.Dir(folder), 0o755), os.Chown(folder, somebody, somebody)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// contents gives every file in the folder by its name. Of a file that the tests may
// not read either it tells no more than that it is there; and as much of the memory
// that programs share beside a WAL, which is no part of the database.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) || err == nil && strings.HasSuffix(path, "-shm") {
			found[path] = "is there"
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrPermission) {
			data, err = []byte("is there"), nil
		}
		found[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func nothing(*testing.T, string) {}

func withFile(content string) func(*testing.T, string) {
	return func(t *testing.T, folder string) {
		t.Helper()
		path := filepath.Join(folder, "kv.sqlite")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		permit(t, path, 0o600)
	}
}

// withSQL makes an SQLite database by statements.
func withSQL(statements ...string) func(*testing.T, string) {
	return func(t *testing.T, folder string) {
		t.Helper()
		path := filepath.Join(folder, "kv.sqlite")
		if err := openSQL(t, path, statements...).Close(); err != nil {
			t.Fatal(err)
		}
		permit(t, path, 0o600)
	}
}

// leftOpen makes what a program leaves behind that is killed: a database whose changes
// are in its WAL.
func leftOpen(statement string) func(*testing.T, string) {
	return func(t *testing.T, folder string) {
		t.Helper()
		living := filepath.Join(t.TempDir(), "kv.sqlite")
		db := openSQL(t, living, "pragma journal_mode = wal", statement)
		for _, suffix := range []string{"", "-wal", "-shm"} {
			data, err := os.ReadFile(living + suffix)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "kv.sqlite"+suffix)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			permit(t, path, 0o600)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func openSQL(t *testing.T, path string, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// truncated makes a database of which only the first bytes are there.
func truncated(size int64) func(*testing.T, string) {
	return func(t *testing.T, folder string) {
		t.Helper()
		withSQL("pragma page_size = 4096", "pragma journal_mode = wal", migrationState, "insert into migration_state values (0, 3)",
			"create table kv (k blob primary key, v blob)", "insert into kv values (x'01', zeroblob(100000))")(t, folder)
		if err := os.Truncate(filepath.Join(folder, "kv.sqlite"), size); err != nil {
			t.Fatal(err)
		}
	}
}

// permitted makes a database in WAL mode with the permissions, in a folder with its own.
func permitted(fileMode, folderMode fs.FileMode) func(*testing.T, string) {
	return func(t *testing.T, folder string) {
		t.Helper()
		withSQL("pragma journal_mode = wal", migrationState)(t, folder)
		permit(t, filepath.Join(folder, "kv.sqlite"), fileMode)
		permit(t, folder, folderMode)
	}
}

// permit sets the permissions of whom the program runs as, for the time of the test.
func permit(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.Chown(path, somebody, somebody); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o700) }) // or the folder could not be removed
}
