package protocol

import (
	"fmt"

	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// ReadRange asks for the entries from Start (included) to End (excluded) in byte
// order, at most Limit of them. Start may be empty, for the beginning of the
// database; a range whose Start is not below its End has no entries.
type ReadRange struct {
	Start, End []byte
	// Limit is at least 1.
	Limit int
	// Reverse gives the entries from the end of the range backwards.
	Reverse bool
}

// SnapshotRead asks for ranges at one point in time ("KV Connect, Data Path
// Protocol, Snapshot Read Request").
type SnapshotRead struct {
	Ranges []ReadRange
}

// SnapshotReadOutput holds the entries of each range, in the order of the request.
type SnapshotReadOutput struct {
	Ranges [][]Entry
}

// DecodeSnapshotRead reads and checks the body of a snapshot read.
func DecodeSnapshotRead(body []byte) (SnapshotRead, error) {
	const op = "snapshot read"
	var message datapath.SnapshotRead
	counts, ok := countFields(body)
	if n := counts[1]; n > MaxReadRanges {
		return SnapshotRead{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyReadRanges, n, MaxReadRanges)
	}
	if !ok || proto.Unmarshal(body, &message) != nil || hasMistypedField(message.ProtoReflect()) {
		return SnapshotRead{}, malformed(op, &message)
	}
	read := SnapshotRead{Ranges: make([]ReadRange, 0, len(message.GetRanges()))}
	total := 0
	for i, r := range message.GetRanges() {
		if r.GetLimit() < 1 {
			return SnapshotRead{}, fmt.Errorf("%s: range %d: %w, not %d", op, i, ErrInvalidReadLimit, r.GetLimit())
		}
		for _, key := range [][]byte{r.GetStart(), r.GetEnd()} {
			if err := checkKeyLength(key, MaxReadKeyBytes); err != nil {
				return SnapshotRead{}, fmt.Errorf("%s: range %d: %w", op, i, err)
			}
		}
		total += int(r.GetLimit())
		read.Ranges = append(read.Ranges, ReadRange{
			Start: r.GetStart(), End: r.GetEnd(), Limit: int(r.GetLimit()), Reverse: r.GetReverse(),
		})
	}
	if total > MaxReadEntries {
		return SnapshotRead{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyReadEntries, total, MaxReadEntries)
	}
	return read, nil
}

// Encode gives the body of the reply.
func (o SnapshotReadOutput) Encode() ([]byte, error) {
	message := datapath.SnapshotReadOutput{
		Ranges:                   make([]*datapath.ReadRangeOutput, len(o.Ranges)),
		ReadIsStronglyConsistent: true,
		Status:                   datapath.SnapshotReadStatus_SR_SUCCESS,
	}
	for i, entries := range o.Ranges {
		values := make([]*datapath.KvEntry, len(entries))
		for j, entry := range entries {
			values[j] = entry.encode()
		}
		message.Ranges[i] = &datapath.ReadRangeOutput{Values: values}
	}
	body, err := proto.Marshal(&message)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot read output: %w", err)
	}
	return body, nil
}

// malformed leaves out the decoder's own words, which tell the user of a client
// nothing.
func malformed(op string, message proto.Message) error {
	return fmt.Errorf("%s: %w as the protobuf message %s", op, ErrMalformedRequest, message.ProtoReflect().Descriptor().FullName())
}
