package conformance

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// maxEntries is how many entries there may be before both databases are emptied.
const maxEntries = 200

// everything is the range of all keys.
var everything = []*datapath.ReadRange{{End: slices.Repeat([]byte{0xff}, protocol.MaxReadKeyBytes)}}

// compareAll compares the whole databases, and empties them if they have grown.
func (d *differential) compareAll() error {
	read, err := d.left(everything)
	if err != nil {
		return err
	}
	if read != nil {
		return fmt.Errorf("the databases differ %s", read.diff())
	}
	if len(d.random.versionstamps) < maxEntries {
		return nil
	}
	return d.renew()
}

// renew goes on with empty databases. The oracle gets a new one, because not all
// that it stores can be deleted from it.
func (d *differential) renew() error {
	for read := range readsOf(everything) {
		if err := d.wipeOne(d.ours, read); err != nil {
			return fmt.Errorf("ours: %w", err)
		}
	}
	if err := d.openOracle(); err != nil {
		return fmt.Errorf("the oracle: %w", err)
	}
	d.pairs = newVersionPairs(d.pairs.last)
	clear(d.random.versionstamps)
	return nil
}

// openOracle opens another database of the oracle and removes the one before. The
// name is new, because the engine cleans up behind the old one when it likes.
func (d *differential) openOracle() error {
	ctx, cancel := context.WithTimeout(d.ctx, answerPatience)
	defer cancel()
	url := func() string { return fmt.Sprintf("%s/db-%d", d.oracleURL, d.oracleDatabases) }
	if d.oracleDatabases > 0 {
		request, err := http.NewRequestWithContext(ctx, http.MethodDelete, url(), http.NoBody)
		if err != nil {
			return err
		}
		request.Header = d.oracle.header()
		response, err := d.client.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusNoContent {
			return fmt.Errorf("remove %s: status %d", url(), response.StatusCode)
		}
	}
	d.oracleDatabases++
	var err error
	d.oracle, err = openHTTP(ctx, d.client, url(), processToken)
	return err
}

// left gives a read of the ranges that shows a difference, nil if there is none.
func (d *differential) left(ranges []*datapath.ReadRange) (*exchange, error) {
	for read := range readsOf(ranges) {
		e, err := d.exchange(request{method: "snapshot_read", message: read})
		if err != nil {
			return nil, err
		}
		if !e.ours.accepted() || !e.oracle.accepted() {
			return nil, fmt.Errorf("the databases cannot be compared:\n%s", e)
		}
		if err := d.acknowledged(e.ours.output); err != nil {
			return nil, err
		}
		if e.difference() != "" {
			return &e, nil
		}
	}
	return nil, nil
}

// entries gives what ours holds in the ranges.
func (d *differential) entries(ranges []*datapath.ReadRange) ([]*datapath.KvEntry, error) {
	var entries []*datapath.KvEntry
	for read := range readsOf(ranges) {
		var output datapath.SnapshotReadOutput
		if err := d.call(d.ours, "snapshot_read", read, &output); err != nil {
			return nil, fmt.Errorf("ours: %w", err)
		}
		entries = append(entries, entriesOf(&output)...)
	}
	return entries, nil
}

// entriesOf gives the entries of all ranges of a read.
func entriesOf(output proto.Message) []*datapath.KvEntry {
	read, _ := output.(*datapath.SnapshotReadOutput)
	var entries []*datapath.KvEntry
	for _, r := range read.GetRanges() {
		entries = append(entries, r.GetValues()...)
	}
	return entries
}

// acknowledged fails if ours holds something of a write that it refused.
func (d *differential) acknowledged(output proto.Message) error {
	for _, entry := range entriesOf(output) {
		if bytes.Compare(entry.GetVersionstamp(), d.pairs.last[:]) > 0 {
			return fmt.Errorf("ours holds %x of a write after the last that it acknowledged, %s", entry.GetKey(), d.pairs.last)
		}
	}
	return nil
}

// wipe deletes all that is in the ranges from both databases.
func (d *differential) wipe(ranges []*datapath.ReadRange) error {
	for read := range readsOf(ranges) {
		if err := d.wipeOne(d.ours, read); err != nil {
			return fmt.Errorf("ours: %w", err)
		}
		translated, _ := d.pairs.toSecond(read).(*datapath.SnapshotRead)
		if err := d.wipeOne(d.oracle, translated); err != nil {
			return fmt.Errorf("the oracle: %w", err)
		}
	}
	return nil
}

// wipeOne deletes what the read gives, until it gives nothing any more.
func (d *differential) wipeOne(db *httpDatabase, read *datapath.SnapshotRead) error {
	for {
		var output datapath.SnapshotReadOutput
		if err := d.call(db, "snapshot_read", read, &output); err != nil {
			return err
		}
		var write datapath.AtomicWrite
		for _, entry := range entriesOf(&output) {
			write.Mutations = append(write.Mutations, &datapath.Mutation{
				Key: entry.GetKey(), MutationType: datapath.MutationType_M_DELETE,
			})
		}
		if len(write.GetMutations()) == 0 {
			return nil
		}
		if err := d.call(db, "atomic_write", &write, &datapath.AtomicWriteOutput{}); err != nil {
			return err
		}
	}
}

func (d *differential) call(db *httpDatabase, method string, message, output proto.Message) error {
	ctx, cancel := context.WithTimeout(d.ctx, answerPatience)
	defer cancel()
	return db.call(ctx, method, message, output)
}

// readsOf gives the reads of all entries in the ranges.
func readsOf(ranges []*datapath.ReadRange) func(yield func(*datapath.SnapshotRead) bool) {
	return func(yield func(*datapath.SnapshotRead) bool) {
		for chunk := range slices.Chunk(ranges, protocol.MaxReadRanges) {
			var read datapath.SnapshotRead
			for _, r := range chunk {
				read.Ranges = append(read.Ranges, &datapath.ReadRange{
					Start: r.GetStart(), End: r.GetEnd(), Limit: int32(protocol.MaxReadEntries / len(chunk)),
				})
			}
			if !yield(&read) {
				return
			}
		}
	}
}

// touched gives the ranges in which a request may have changed something.
func (e exchange) touched() []*datapath.ReadRange {
	var ranges []*datapath.ReadRange
	seen := make(map[string]bool)
	for _, m := range e.write().GetMutations() {
		r := &datapath.ReadRange{Start: m.GetKey(), End: append(slices.Clone(m.GetKey()), 0)}
		if m.GetMutationType() == datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY {
			r = &datapath.ReadRange{Start: append(slices.Clone(m.GetKey()), 2), End: append(slices.Clone(m.GetKey()), 3)}
		}
		if !seen[string(r.GetEnd())] && len(r.GetEnd()) <= protocol.MaxReadKeyBytes {
			seen[string(r.GetEnd())] = true
			ranges = append(ranges, r)
		}
	}
	return ranges
}
