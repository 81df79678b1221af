package sqlitebackend

import (
	"path/filepath"
	"testing"
)

func TestDivideCache(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		total     int64
		readConns int
		want      cacheSizes
	}{
		"default":    {0, 4, cacheSizes{write: 64 << 20, read: 16 << 20}},
		"many":       {0, 64, cacheSizes{write: 64 << 20, read: 16 << 20}},
		"as default": {128<<20 + checkpointCacheBytes, 4, cacheSizes{write: 64 << 20, read: 16 << 20}},
		"one reader": {8<<20 + checkpointCacheBytes, 1, cacheSizes{write: 4 << 20, read: 4 << 20}},
		"small":      {1<<20 + checkpointCacheBytes, 4, cacheSizes{write: 512 << 10, read: 128 << 10}},
		"too small":  {1, 4, cacheSizes{write: 64 << 10, read: 64 << 10}},
	} {
		if got := divideCache(c.total, c.readConns); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// The connections have what they were given.
func TestCacheOfConnections(t *testing.T) {
	t.Parallel()
	const write, read, checkpoint = 2048, 512, checkpointCacheBytes >> 10 // KiB
	b, err := Open(Options{
		Path:      filepath.Join(t.TempDir(), "kv.sqlite"),
		ReadConns: 4, CacheBytes: (write+4*read)<<10 + checkpointCacheBytes,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	checkpointConn, err := b.writer.checkpoint.open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = checkpointConn.close() }()
	first := takeConn(t, b.reads)
	defer b.reads.put(first)
	second := takeConn(t, b.reads)
	defer b.reads.put(second)
	for name, c := range map[string]struct {
		conn *conn
		want int64
	}{
		"write": {b.writer.conn, write}, "checkpoint": {checkpointConn, checkpoint},
		"first read": {first, read}, "second read": {second, read},
	} {
		if got, err := c.conn.queryInt("pragma cache_size"); err != nil || got != -c.want {
			t.Errorf("the %s connection has a cache_size of %d, want %d (%v)", name, got, -c.want, err)
		}
	}
}
