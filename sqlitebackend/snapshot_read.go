package sqlitebackend

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend/internal/statement"
)

// snapshotRead reads the ranges again if a key expired just when the snapshot was
// taken.
func (p *readPool) snapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	output := protocol.SnapshotReadOutput{Ranges: make([][]protocol.Entry, len(read.Ranges))}
	for again := false; ; again = true {
		err := p.readRangesOnce(ctx, read.Ranges, output.Ranges, again)
		switch {
		case err == nil:
			return output, nil
		case !errors.Is(err, errUndecided):
			return protocol.SnapshotReadOutput{}, readError(ctx, err)
		}
	}
}

func (p *readPool) readRangesOnce(ctx context.Context, ranges []protocol.ReadRange, entries [][]protocol.Entry, again bool) (err error) {
	c, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.put(c)
	if len(ranges) > 1 || again { // a single statement is a transaction anyway
		if err := c.exec(beginRead); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.endRead()) }()
	}
	at, err := c.snapshotTime(p.clock, again)
	if err != nil {
		return err
	}
	for i, r := range ranges {
		if err := ctx.Err(); err != nil {
			return err
		}
		if entries[i], err = readRange(c, r, &at); err != nil {
			return fmt.Errorf("range %d: %w", i, err)
		}
	}
	return nil
}

// snapshotTime begins to tell the time of a snapshot. A read that is made again takes its
// snapshot here, in the transaction that has begun, and the second time right after it:
// a long read that takes it later, with its first rows, would meet keys that expired
// meanwhile over and over.
func (c *conn) snapshotTime(clock *expiryClock, again bool) (snapshotTime, error) {
	at := snapshotTime{clock: clock, beforeMs: clock.nowMs()}
	if again {
		if _, _, err := c.number(selectVersion); err != nil {
			return snapshotTime{}, err
		}
		at.afterMs = clock.nowMs()
	}
	return at, nil
}

// endRead ends a transaction that has read, or the next reader gets its snapshot again.
func (c *conn) endRead() error {
	err := c.exec(commit)
	if err != nil && !c.db.AutoCommit() {
		err = errors.Join(err, c.exec(rollback))
	}
	return err
}

func readRange(c *conn, r protocol.ReadRange, at *snapshotTime) ([]protocol.Entry, error) {
	q := selectRange
	switch {
	case isOneKey(r):
		q = selectEntry
	case r.Reverse:
		q = selectRangeReverse
	}
	rows, err := c.run(q, statement.Args{
		Blobs: [statement.MaxBlobs][]byte{r.Start, r.End},
		NowMs: at.beforeMs,
	}, r.Limit)
	if err != nil || rows.Count == 0 {
		return nil, err
	}
	entries := make([]protocol.Entry, rows.Count)
	for i := range entries {
		if err := scanEntry(&rows, at, &entries[i]); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// isOneKey tells whether a range can hold no key but its start, as that of a get.
func isOneKey(r protocol.ReadRange) bool {
	n := len(r.Start)
	return len(r.End) == n+1 && r.End[n] == 0 && bytes.Equal(r.End[:n], r.Start)
}

// readEntries gives the entry of each key as of one point in time, nil for an
// absent one, and the time of the first expiry among them; 0 for none.
func (p *readPool) readEntries(ctx context.Context, keys [][]byte) (entries []*protocol.Entry, expiryMs int64, err error) {
	entries = make([]*protocol.Entry, len(keys))
	for again := false; ; again = true {
		expiryMs, err = p.readEntriesOnce(ctx, keys, entries, again)
		switch {
		case err == nil:
			return entries, expiryMs, nil
		case !errors.Is(err, errUndecided):
			return nil, 0, readError(ctx, err)
		}
	}
}

func (p *readPool) readEntriesOnce(ctx context.Context, keys [][]byte, entries []*protocol.Entry, again bool) (expiryMs int64, err error) {
	c, err := p.take(ctx)
	if err != nil {
		return 0, err
	}
	defer p.put(c)
	if len(keys) > 1 || again {
		if err := c.exec(beginRead); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, c.endRead()) }()
	}
	at, err := c.snapshotTime(p.clock, again)
	if err != nil {
		return 0, err
	}
	for i, key := range keys {
		entries[i] = nil
		rows, err := c.run(selectEntry, keyNow(key, at.beforeMs), 1)
		if err != nil {
			return 0, err
		}
		if rows.Count == 0 {
			continue
		}
		entries[i] = new(protocol.Entry)
		if err := scanEntry(&rows, &at, entries[i]); err != nil {
			return 0, err
		}
	}
	return at.expiryMs, nil
}

// errWrongType: SQLite lets any column hold any type, so a file from elsewhere may
// surprise.
var errWrongType = fmt.Errorf("%w: a row of table kv has columns of the wrong type", ErrSchema)

// scanEntry reads the columns k, v, v_encoding, version and expiration_ms.
func scanEntry(rows *statement.Rows, at *snapshotTime, entry *protocol.Entry) error {
	key, ok1 := rows.Blob()
	data, ok2 := rows.Blob()
	encoding, ok3 := rows.Integer()
	version, ok4 := rows.Integer()
	expirationMs, ok5 := rows.Integer()
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
		return errWrongType
	}
	if at.undecided(expirationMs) {
		return errUndecided
	}
	*entry = protocol.Entry{
		Key:          key,
		Value:        protocol.Value{Data: data, Encoding: protocol.ValueEncoding(encoding)}, //nolint:gosec // given as it is stored
		Versionstamp: protocol.VersionstampOf(version),
	}
	return nil
}

// readError passes on the error of a context and marks those of SQLite.
func readError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	return mark("read", err)
}
