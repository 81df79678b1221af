package conformance

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// What programs see of the quotas of their token and of their database.
func TestQuotas(t *testing.T) {
	t.Parallel()
	overRuntimes(t, func(t *testing.T, runtime clientRuntime) {
		server, p := startFolder(t), startProgram(t, runtime)
		for name, check := range map[string]func(*testing.T, *folderServer, *program){
			"requests": wantRequestQuotas, "file size": wantFileQuota, "watches": wantWatchQuotas,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				check(t, server, p)
			})
		}
	})
}

// wantRequestQuotas finds the first call too many refused, of a token alone and of all
// tokens of a database.
func wantRequestQuotas(t *testing.T, server *folderServer, p *program) {
	server.createDatabase(t, "rates")
	limited := server.createToken(t, "rates", "write", "--max-requests-per-second", "1")
	kv := p.open(t, server.url, limited.secret)
	wantText(t, "too many of the token", readTooOften(t, kv), "429", "too many requests: this access token allows 1 a second; try again in 1 s")
	other := p.open(t, server.url, server.createToken(t, "rates", "write").secret)
	for range 50 {
		other.wantValue(t, "a", "")
	}
	operate(t, server.folder, "token", "limit", limited.id, "--max-requests-per-second", "0")
	for range 50 {
		kv.wantValue(t, "a", "")
	}
	operate(t, server.folder, "db", "limit", "rates", "--max-requests-per-second", "1")
	wantText(t, "too many of the database", readTooOften(t, other), "429", "too many requests: this database allows 1 a second; try again in 1 s")
	operate(t, server.folder, "db", "limit", "rates", "--max-requests-per-second", "0")
	other.mustSet(t, "a", "1")
}

// readTooOften reads until that fails.
func readTooOften(t *testing.T, kv *programKv) error {
	t.Helper()
	for range 1000 {
		if _, err := kv.get(t, "a"); err != nil {
			return err
		}
	}
	return errors.New("a thousand reads in a row were answered")
}

// wantFileQuota finds writes refused once the file is full, but neither reads nor deletes,
// and writes again after these.
func wantFileQuota(t *testing.T, server *folderServer, p *program) {
	server.createDatabase(t, "sizes", "--max-file-size", "1MB")
	kv := p.open(t, server.url, server.createToken(t, "sizes", "write").secret)
	kv.mustSet(t, "small", "1")
	const valueBytes, most = 50_000, 100
	full := 0
	var err error
	for err == nil && full < most {
		if err = kv.fill(t, strconv.Itoa(full), valueBytes); err == nil {
			full++
		}
	}
	if full < 10 || full > 20 {
		t.Errorf("%d values of %d bytes were stored in 1 MB", full, valueBytes)
	}
	wantText(t, "a write too many", err, "413", "the database has reached its maximum size: delete what is not needed, or ask the operator of the server for more space")
	kv.wantValue(t, "small", "1")
	for n := range 5 {
		if err := kv.delete(t, strconv.Itoa(n)); err != nil {
			t.Fatalf("delete in a full database: %v", err)
		}
	}
	if err := kv.fill(t, "0", valueBytes); err != nil {
		t.Errorf("write after deletes: %v", err)
	}
	// What the operator allows holds at once.
	operate(t, server.folder, "db", "limit", "sizes", "--max-file-size", "0")
	for n := range full {
		if err := kv.fill(t, "more "+strconv.Itoa(n), valueBytes); err != nil {
			t.Fatalf("write without a bound: %v", err)
		}
	}
	stats, _ := operate(t, server.folder, "db", "stats", "sizes")
	if !strings.Contains(stats, "keys") {
		t.Errorf("the statistics are %s", stats)
	}
}

// wantWatchQuotas finds the first watch too many refused.
func wantWatchQuotas(t *testing.T, server *folderServer, p *program) {
	server.createDatabase(t, "watches", "--max-watches", "3")
	token := server.createToken(t, "watches", "write", "--max-watches", "2")
	kv := p.open(t, server.url, token.secret)
	other := p.open(t, server.url, server.createToken(t, "watches", "write").secret)
	kv.mustSet(t, "a", "1")
	allowed := []*running{kv.watchRaw(t, "a"), kv.watchRaw(t, "a")}
	for _, watch := range allowed {
		watch.awaitValue(t, "1")
	}
	_, text := kv.watchRaw(t, "a").awaitEnd(t)
	wantText(t, "a watch too many of the token", programError(text), "429", "too many open watches: this access token allows 2 at once, close one of them")
	allowed = append(allowed, other.watchRaw(t, "a"))
	allowed[2].awaitValue(t, "1")
	_, text = other.watchRaw(t, "a").awaitEnd(t)
	wantText(t, "a watch too many of the database", programError(text), "429", "too many open watches: this database allows 3 at once, close one of them")
	kv.mustSet(t, "a", "2")
	for _, watch := range allowed {
		watch.awaitValue(t, "2")
	}
}
