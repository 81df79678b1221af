package protocol

import (
	"fmt"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// DecodeSnapshotRead reads and checks the body of a snapshot read. The keys share
// memory with body, which must not change after it.
func DecodeSnapshotRead(body []byte) (SnapshotRead, error) {
	const op = "snapshot read"
	counts, wellFormed := snapshotReadShape.inspect(body)
	if n := counts[fieldSnapshotReadRanges]; n > MaxReadRanges {
		return SnapshotRead{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyReadRanges, n, MaxReadRanges)
	}
	if !wellFormed {
		return SnapshotRead{}, malformed(op, (*datapath.SnapshotRead)(nil))
	}
	read := SnapshotRead{Ranges: make([]ReadRange, 0, counts[fieldSnapshotReadRanges])}
	var total int64 // of limits, which are int32
	for field := range fieldsOf(body) {
		if field.number != fieldSnapshotReadRanges {
			continue
		}
		r, err := decodeReadRange(field.bytes)
		if err != nil {
			return SnapshotRead{}, fmt.Errorf("%s: range %d: %w", op, len(read.Ranges), err)
		}
		total += int64(r.Limit)
		read.Ranges = append(read.Ranges, r)
	}
	if total > MaxReadEntries {
		return SnapshotRead{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyReadEntries, total, MaxReadEntries)
	}
	return read, nil
}

func decodeReadRange(message []byte) (ReadRange, error) {
	var r ReadRange
	for field := range fieldsOf(message) {
		switch field.number {
		case fieldReadRangeStart:
			r.Start = field.bytes
		case fieldReadRangeEnd:
			r.End = field.bytes
		case fieldReadRangeLimit:
			r.Limit = int(field.int32())
		case fieldReadRangeReverse:
			r.Reverse = field.bool()
		default: // unknown fields are skipped
		}
	}
	if r.Limit < 1 {
		return ReadRange{}, fmt.Errorf("%w, not %d", ErrInvalidReadLimit, r.Limit)
	}
	if err := checkKeyLength(r.Start, MaxReadKeyBytes); err != nil {
		return ReadRange{}, err
	}
	if err := checkKeyLength(r.End, MaxReadKeyBytes); err != nil {
		return ReadRange{}, err
	}
	return r, nil
}

// Encode gives the body of the reply.
func (o SnapshotReadOutput) Encode() ([]byte, error) {
	const (
		consistent = 1
		status     = uint64(datapath.SnapshotReadStatus_SR_SUCCESS)
	)
	size := sizeVarintField(fieldSnapshotReadOutputReadIsStronglyConsistent, consistent) +
		sizeVarintField(fieldSnapshotReadOutputStatus, status)
	for _, entries := range o.Ranges {
		size += sizeMessageField(fieldSnapshotReadOutputRanges, sizeReadRangeOutput(entries))
	}
	body := make([]byte, 0, size)
	for _, entries := range o.Ranges {
		body = appendMessageHeader(body, fieldSnapshotReadOutputRanges, sizeReadRangeOutput(entries))
		for i := range entries {
			body = entries[i].appendField(body, fieldReadRangeOutputValues)
		}
	}
	body = appendVarintField(body, fieldSnapshotReadOutputReadIsStronglyConsistent, consistent)
	return appendVarintField(body, fieldSnapshotReadOutputStatus, status), nil
}

func sizeReadRangeOutput(entries []Entry) int {
	size := 0
	for i := range entries {
		size += sizeMessageField(fieldReadRangeOutputValues, entries[i].encodedSize())
	}
	return size
}
