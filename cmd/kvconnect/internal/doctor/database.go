package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

const (
	sqliteMagic  = "SQLite format 3\x00"
	headerBytes  = 100
	writeVersion = 18 // where the header says how the file is written

	versionRollback = 1
	versionWAL      = 2

	// slowCheck is how long a check takes that is worth a word.
	slowCheck = time.Second
)

// examineDatabase looks at the file of a database, which is there, and adds its id to ids.
func examineDatabase(ctx context.Context, path string, thorough bool, ids *[]uuid.UUID) (findings []Finding) {
	add := func(check string, status Status, found, advice string) {
		findings = append(findings, Finding{check, status, found, advice})
	}
	// The header is read before SQLite opens the file: as soon as a process closes a file, it
	// loses the locks it has on it.
	header, err := readHeader(path)
	switch {
	case err != nil:
		add("file", Fail, err.Error(), "let this user read the file")
		return findings
	case len(header) == 0:
		add("file", Fail, path+" is empty", "if it held a database, restore it from a backup; otherwise start the server, which makes one in it")
		return findings
	case !bytes.HasPrefix(header, []byte(sqliteMagic)):
		add("file", Fail, path+" is no SQLite database", "name another file, or restore this one from a backup")
		return findings
	case len(header) < headerBytes:
		add("file", Fail, path+" ends in the middle of its header", "restore it from a backup")
		return findings
	}
	began := time.Now()
	found, err := sqlitebackend.Examine(ctx, path, thorough)
	took := time.Since(began)
	switch {
	case ctx.Err() != nil:
		add("file", Fail, "not looked at: "+ctx.Err().Error(), "run it again")
		return findings
	case errors.Is(err, sqlitebackend.ErrUnfinishedWrite):
		add("file", Warn, err.Error(), "start the server once, and run this again")
		return findings
	case errors.Is(err, sqlitebackend.ErrSchema):
		add("file", Fail, err.Error(), "name the file of a Deno KV database")
		return findings
	case errors.Is(err, sqlitebackend.ErrDamagedFile):
		add("file", Fail, err.Error(), "stop the server, keep a copy of the file, its -wal and its -shm, and restore it from a backup")
		return findings
	case err != nil:
		add("file", Fail, err.Error(), "let this user read the file and what is beside it")
		return findings
	}
	add("file", OK, fmt.Sprintf("%s, %s, tables of version %d", path, formatBytes(bytesOf(path)), found.TablesVersion), "")
	if found.TablesVersion < sqlitebackend.CurrentTables {
		add("tables", Warn, fmt.Sprintf("they have version %d: the server brings them to version %d", found.TablesVersion, sqlitebackend.CurrentTables),
			"make a copy of the file before the first start, to be able to go back")
	}
	switch header[writeVersion] {
	case versionWAL:
		add("journal mode", OK, "wal", "")
	case versionRollback:
		add("journal mode", OK, "rollback: the server changes it to wal", "")
	default:
		add("journal mode", Fail, fmt.Sprintf("the file says %d, which SQLite does not know", header[writeVersion]), "restore it from a backup")
	}
	if found.HasID {
		*ids = append(*ids, found.DatabaseID)
		add("database id", OK, found.DatabaseID.String(), "")
	} else {
		add("database id", OK, "none yet: the server gives it one", "")
	}
	return append(findings, integrity(found.Damage, thorough, took))
}

func integrity(damage string, thorough bool, took time.Duration) Finding {
	const check = "integrity"
	how := "quick_check"
	if thorough {
		how = "integrity_check"
	}
	if damage != "" {
		return Finding{
			check, Fail, how + " of SQLite says: " + damage,
			"stop the server, keep a copy of the file, its -wal and its -shm, and restore it from a backup",
		}
	}
	found := how + " finds nothing wrong"
	if took >= slowCheck {
		found += ", in " + took.Round(slowCheck/10).String()
	}
	return Finding{check, OK, found, ""}
}

// readHeader gives the beginning of a file, less if that is all there is.
func readHeader(path string) (header []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	header = make([]byte, headerBytes)
	n, err := io.ReadFull(file, header)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return header[:n], err
}
