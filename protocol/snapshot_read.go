package protocol

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
