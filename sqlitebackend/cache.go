package sqlitebackend

import "fmt"

const (
	// The page caches of a database without Options.CacheBytes.
	defaultWriteCacheBytes = 64 << 20
	defaultReadCacheBytes  = 16 << 20

	// minCacheBytes is what each of the connections that read or write has at least.
	minCacheBytes = 64 << 10

	// checkpointCacheBytes is enough for a connection that copies pages from the WAL
	// past its cache.
	checkpointCacheBytes = 64 << 10

	// countCacheBytes is enough for a connection that looks at each page once.
	countCacheBytes = 64 << 10
)

// cacheSizes are those of the connections of a database, in bytes.
type cacheSizes struct {
	write, read int64 // read is for each of the connections that read
}

// divideCache gives the writer one half, as it has by default beside four connections
// that read: a commit that does not fit is written to the WAL twice. The others share
// what is left.
func divideCache(totalBytes int64, readConns int) cacheSizes {
	if totalBytes <= 0 {
		return cacheSizes{write: defaultWriteCacheBytes, read: defaultReadCacheBytes}
	}
	totalBytes -= checkpointCacheBytes
	write := max(totalBytes/2, minCacheBytes)
	return cacheSizes{write: write, read: max((totalBytes-write)/int64(readConns), minCacheBytes)}
}

// cachePragma takes a size that is rounded down to KiB.
func cachePragma(bytes int64) string { return fmt.Sprintf("cache_size = -%d", bytes>>10) }
