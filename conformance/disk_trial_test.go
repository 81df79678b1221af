package conformance

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// diskTrial is a server whose disk gets into trouble, and a program in Deno that looks on.
type diskTrial struct {
	server  *process
	program *program
	kv      *programKv
	watch   *running

	acknowledged []string // keys, which are also their values
	refused      []string
	told         int // of the watch
}

// startDiskTrial starts both, and leaves some writes in the file and in the WAL.
func startDiskTrial(t *testing.T, o serverOptions) *diskTrial {
	t.Helper()
	needClients(t)
	d := &diskTrial{server: o.start(t), program: startProgram(t, runtimeDeno)}
	d.kv = d.program.open(t, d.server.url, processToken)
	d.watch = d.kv.watch(t, "watched")
	d.wantWatch(t)
	for range 5 {
		d.acknowledge(t)
	}
	return d
}

func (d *diskTrial) nextKey() string {
	return fmt.Sprintf("key %d", len(d.acknowledged)+len(d.refused))
}

// acknowledge makes a write that must succeed.
func (d *diskTrial) acknowledge(t *testing.T) {
	t.Helper()
	key := d.nextKey()
	d.kv.mustSet(t, key, key)
	d.acknowledged = append(d.acknowledged, key)
}

// refuse makes a write that must fail with the text of the error and with nothing else: what
// is told to the log alone is not for programs.
func (d *diskTrial) refuse(t *testing.T, want error) {
	t.Helper()
	key := d.nextKey()
	_, err := d.kv.set(t, key, key)
	d.refused = append(d.refused, key)
	wantText(t, "write in trouble", err, want.Error())
	if err != nil && strings.Contains(err.Error(), "sqlite") {
		t.Errorf("the program is told %q", err)
	}
}

// wantWatch has the watch tell of one more change.
func (d *diskTrial) wantWatch(t *testing.T) {
	t.Helper()
	d.told++
	value := fmt.Sprintf("change %d", d.told)
	d.kv.mustSet(t, "watched", value)
	d.watch.awaitValue(t, value)
}

// wantContent reads all that was acknowledged, and nothing that was refused.
func (d *diskTrial) wantContent(t *testing.T, kv *programKv) {
	t.Helper()
	for _, key := range d.acknowledged {
		kv.wantValue(t, key, key)
	}
	for _, key := range d.refused {
		kv.wantValue(t, key, "")
	}
}

// wantContentAfterKill kills the server and looks at what another one finds.
func (d *diskTrial) wantContentAfterKill(t *testing.T, beforeRestart func()) {
	t.Helper()
	d.server.kill(t)
	beforeRestart()
	d.server = d.server.restart(t)
	kv := d.program.open(t, d.server.url, processToken)
	d.wantContent(t, kv)
	kv.mustSet(t, "after the restart", "1")
}

// awaitReadiness waits until /readyz gives the status and the text.
func (p *process) awaitReadiness(t *testing.T, status int, text string) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var last string
	for deadline := time.Now().Add(processPatience); time.Now().Before(deadline); <-ticker.C {
		gotStatus, got := p.health(t, "/readyz")
		if gotStatus == status && got == text+"\n" {
			return
		}
		last = got
	}
	t.Fatalf("/readyz says %q, want %q", last, text)
}

// health asks one of the paths of health checks.
func (p *process) health(t *testing.T, path string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }() // only read
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}

// wantInTrouble looks at what a server does whose disk is in trouble.
func (d *diskTrial) wantInTrouble(t *testing.T, want error, reason string) {
	t.Helper()
	for range 5 {
		d.refuse(t, want)
	}
	d.wantContent(t, d.kv)
	d.server.awaitReadiness(t, http.StatusServiceUnavailable, "not ready: "+reason)
	if status, text := d.server.health(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, text)
	}
	d.refuse(t, want)
	d.wantContent(t, d.kv)
}

// fill makes a write of many pages, which must succeed.
func (d *diskTrial) fill(t *testing.T) {
	t.Helper()
	if err := d.kv.fill(t, "filled", 60_000); err != nil {
		t.Fatal(err)
	}
}

// wantLog looks whether the log tells of the trouble, once.
func (d *diskTrial) wantLog(t *testing.T) {
	t.Helper()
	log := d.server.stderr.String()
	for line, most := range map[string]int{
		"writes fail": 1, "writes go on again": 1, "not ready": 1, "ready again": 1,
		"request failed": 0, "expiry failed": 0, "checkpoint failed": 0,
	} {
		if n := strings.Count(log, fmt.Sprintf(`"msg":%q`, line)); n > most || n == 0 && line == "writes fail" {
			t.Errorf("the log says %q %d times, want %d", line, n, most)
		}
	}
}

// holdWAL reads from a file until it is released, so that its WAL cannot begin anew.
func holdWAL(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := tx.QueryRowContext(t.Context(), "select count(*) from kv").Scan(&n); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		_ = tx.Rollback() // it has only read
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

// wantWell looks at what a server does whose trouble is over, and that has gone on meanwhile.
func (d *diskTrial) wantWell(t *testing.T) {
	t.Helper()
	d.acknowledge(t) // at once, whether the server has found out by itself or not
	d.wantWatch(t)
	d.server.awaitReadiness(t, http.StatusOK, "ready")
	d.acknowledge(t)
	d.wantContent(t, d.kv)
}

// diskTroubles are the texts for programs and, without the rest, of /readyz.
var diskTroubles = map[error]string{
	protocol.ErrDiskFull:     "the disk is full: writes fail, reads go on",
	protocol.ErrDiskReadOnly: "the file system is read-only: writes fail, reads go on",
	protocol.ErrDiskFailing:  "the disk reports errors: writes fail, reads go on",
	protocol.ErrFileMoved:    "the file of the database was moved, removed or replaced: writes fail, reads go on",
}
