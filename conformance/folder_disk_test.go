package conformance

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// The disk of a folder fails for all: for what operators change, for the databases that are
// open and for those that are opened meanwhile. Each says so, and nothing is half done.
func TestDiskTroubleOfAFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault    diskFault
		want     error
		operator string
		// With a file system that is read-only, Open asks the system, and not the library
		// that is preloaded.
		opensFiles bool
	}{
		"full":      {diskIsFull, protocol.ErrDiskFull, "make room on the disk", true},
		"read-only": {diskIsReadOnly, protocol.ErrDiskReadOnly, "the file system can only be read any more", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := newFaultyDisk(t)
			s := serverOptions{folder: filepath.Join(disk.folder, "data"), env: disk.env()}.startFolder(t)
			s.createDatabase(t, "open")
			s.createDatabase(t, "cold")
			token, cold := s.createToken(t, "open", "write"), s.createToken(t, "cold", "write")
			program := startProgram(t, runtimeDeno)
			kv := program.open(t, s.url, token.secret)
			kv.mustSet(t, "a", "1")
			tokens, _ := operate(t, s.folder, "token", "list", "--json")

			disk.fail(t, c.fault)
			_, err := kv.set(t, "a", "2")
			wantText(t, "write in trouble", err, c.want.Error())
			kv.wantValue(t, "a", "1")
			s.awaitReadiness(t, http.StatusServiceUnavailable, "not ready: "+diskTroubles[c.want])
			coldKv := program.open(t, s.url, cold.secret)
			if c.opensFiles {
				_, err = coldKv.get(t, "a")
				wantText(t, "read of a database that is not open", err, c.want.Error())
			}
			commands := [][]string{{"token", "create", "--db", "open", "--scope", "read"}, {"token", "revoke", token.id}}
			if c.opensFiles {
				commands = append(commands, []string{"db", "create", "third"})
			}
			for _, command := range commands {
				_, stderr, err := tryToOperate(t, s.folder, command...)
				if err == nil || !strings.Contains(stderr, c.operator) {
					t.Errorf("%s: error %v: %s", command, err, stderr)
				}
			}
			if databases, _ := operate(t, s.folder, "db", "list"); strings.Contains(databases, "third") {
				t.Errorf("the third database is there:\n%s", databases)
			}

			disk.fail(t, noDiskFault)
			coldKv.mustSet(t, "a", "1")
			s.createDatabase(t, "third")
			s.awaitReadiness(t, http.StatusOK, "ready")
			if now, _ := operate(t, s.folder, "token", "list", "--json"); strings.Count(now, `"id"`) != strings.Count(tokens, `"id"`) {
				t.Errorf("the tokens were %s and are %s", tokens, now)
			}
			again := s.createToken(t, "open", "write")
			program.open(t, s.url, again.secret).wantValue(t, "a", "1")
			disk.fail(t, c.fault)
			s.kill(t)
			disk.fail(t, noDiskFault)
			s = s.restart(t)
			program.open(t, s.url, again.secret).wantValue(t, "a", "1")
		})
	}
}
