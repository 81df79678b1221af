package sqlitebackend

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Stats is what an operator asks about a database.
type Stats struct {
	// FileBytes is the size of the file once the WAL is written back into it, which is
	// what MaxFileBytes bounds.
	FileBytes int64
	// UsedBytes is FileBytes without free pages, which the next writes take first.
	UsedBytes int64
	// WALBytes is the size of the WAL beside the file. It is used again and again.
	WALBytes int64
	// Keys is how many keys are there, and ExpiringKeys how many of them will expire.
	Keys, ExpiringKeys int64
}

const (
	countKeys         = "select count(*) from kv"
	countExpiredKeys  = "select count(*) from kv where expiration_ms >= 0 and expiration_ms <= ?1"
	countExpiringKeys = "select count(*) from kv where expiration_ms > ?1"
)

// Stats counts the keys, which takes some milliseconds for a million of them, more if they
// are read from the disk, and one of the connections for reads meanwhile. All but the size
// of the WAL is as of one point in time. If ctx ends, the error is ctx's.
func (b *Backend) Stats(ctx context.Context) (Stats, error) {
	var stats Stats
	err := b.reads.use(ctx, func(c *conn) (err error) {
		stats, err = c.stats(ctx, b.clock.nowMs())
		return err
	})
	if err == nil {
		stats.WALBytes, err = fileBytes(b.path + "-wal")
	}
	if err != nil {
		return Stats{}, statsError(ctx, err)
	}
	return stats, nil
}

func statsError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("read statistics: %w", err)
	}
	return mark("read statistics", err)
}

func (c *conn) stats(ctx context.Context, nowMs int64) (stats Stats, err error) {
	if err := c.exec(beginRead); err != nil {
		return Stats{}, err
	}
	defer func() { err = errors.Join(err, c.endRead()) }()
	var pages, freePages, pageBytes, expiredKeys int64
	for _, number := range []struct {
		query string
		args  []driver.Value
		to    *int64
	}{
		{countKeys, nil, &stats.Keys},
		{countExpiredKeys, []driver.Value{nowMs}, &expiredKeys},
		{countExpiringKeys, []driver.Value{nowMs}, &stats.ExpiringKeys},
		{"pragma page_count", nil, &pages},
		{"pragma freelist_count", nil, &freePages},
		{"pragma page_size", nil, &pageBytes},
	} {
		columns, err := c.queryUntil(ctx, number.query, number.args...)
		if err != nil {
			return Stats{}, err
		}
		if len(columns) > 0 {
			*number.to, _ = columns[0].(int64)
		}
	}
	stats.Keys -= expiredKeys
	stats.FileBytes, stats.UsedBytes = pages*pageBytes, (pages-freePages)*pageBytes
	return stats, nil
}

// fileBytes is the size of a file, 0 if it is not there.
func fileBytes(path string) (int64, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	default:
		return info.Size(), nil
	}
}
