package sqlitebackend

import (
	"fmt"

	"github.com/kvconnect/kvconnect/protocol"
)

// To delete a key may take a page: the one that takes its place in the tree may be longer.
// It happens once in thousands of times, with keys of hundreds of bytes. So that deletes
// need not be refused, and the file does not grow for them either, this share of all pages
// is left to them, up to a number of pages that they would have to take one after another
// without giving back any.
const (
	deleteShare    = 32
	maxDeletePages = 8
)

// SetMaxFileBytes bounds the size of the file: an atomic write that would make it grow
// beyond n bytes does nothing and fails with protocol.ErrDatabaseFull. Others go on, also
// if the file is larger already: those that find room in what was deleted, or only
// delete, or change nothing; and so do reads, watches and the removal of expired keys. The
// last 32nd of n, at most 8 pages, is left to deletes, which in rare cases need a page. The
// file never becomes smaller by itself.
//
// 0 or less is no bound. A write that has begun may still go by the bound before. What is
// measured is the file once the WAL is written back into it: the WAL comes on top, about
// 4 MB, or as much as is written while some long read is under way. What other processes
// write is not bounded, but counts. With a bound, a write takes some microseconds more.
func (b *Backend) SetMaxFileBytes(n int64) {
	if b.writer != nil {
		b.writer.maxFileBytes.Store(max(n, 0))
	}
}

// mayGrow tells whether mutations add anything.
func mayGrow(mutations []protocol.Mutation) bool {
	for _, m := range mutations {
		if m.Type != protocol.MutationDelete {
			return true
		}
	}
	return false
}

// mutateWithinBound fails if the file would grow beyond its bound.
func (tx *groupTx) mutateWithinBound(mutations []protocol.Mutation, version int64) error {
	room, err := tx.measureRoom()
	if err != nil {
		return err
	}
	if err := tx.mutateAll(mutations, version); err != nil {
		return err
	}
	exceeded, err := tx.exceeds(room)
	if err == nil && exceeded {
		err = fmt.Errorf("%w (its file has %d bytes of at most %d, and this write does not fit into what is free)",
			protocol.ErrDatabaseFull, room.pages*tx.pageBytes, tx.maxFileBytes)
	}
	return err
}

// fileRoom is what a write finds, in pages.
type fileRoom struct {
	pages      int64 // of the file
	maxPages   int64
	forDeletes int64 // of maxPages
	free       int64 // of pages, if there are more than other writes may add
}

// atLimit tells whether only what needs no further page may be added.
func (r fileRoom) atLimit(pages int64) bool { return pages > r.maxPages-r.forDeletes }

func (tx *groupTx) measureRoom() (r fileRoom, err error) {
	if tx.pageBytes == 0 {
		if tx.pageBytes, err = tx.measure(pageSize); err != nil {
			return fileRoom{}, err
		}
	}
	r.maxPages = tx.maxFileBytes / tx.pageBytes
	r.forDeletes = min(r.maxPages/deleteShare, maxDeletePages)
	if r.pages, err = tx.measure(pageCount); err != nil || !r.atLimit(r.pages) {
		return r, err
	}
	r.free, err = tx.measure(freePageCount)
	return r, err
}

// exceeds tells whether what was done since room was measured needs more than that. SQLite
// takes free pages first: if there are more pages than before, none of them is free.
func (tx *groupTx) exceeds(room fileRoom) (bool, error) {
	pages, err := tx.measure(pageCount)
	if err != nil || !room.atLimit(pages) {
		return false, err
	}
	if pages > room.pages {
		return true, nil
	}
	free, err := tx.measure(freePageCount)
	return free < room.free && free+max(room.maxPages-pages, 0) < room.forDeletes, err
}

func (tx *groupTx) measure(q query) (int64, error) {
	n, found, err := tx.conn.number(q)
	if err == nil && !found {
		err = fmt.Errorf("%s gives nothing", queries[q].text)
	}
	return n, mark("measure the file", err)
}
