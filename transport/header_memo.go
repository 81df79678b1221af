package transport

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// headerMemo remembers the headers of a connection that come again and again. Clients hold
// a token to be a secret that no table may keep, so that it comes whole with each request,
// in the code of Huffman; to decode that takes longer than all else that is done for a
// request here. A program's calls have the same few headers, bit by bit.
//
// What a block means depends on the table that other blocks have filled. Blocks that
// change the table are not kept, and all are forgotten when one comes.
type headerMemo struct {
	known     [knownHeaders]knownHeader
	nextKnown int
	seen      [seenHeaders]uint64 // hashes of blocks that came once
	nextSeen  int
}

type knownHeader struct {
	block  []byte
	header requestHeader
}

const (
	// knownHeaders is how many are kept: a few for each kind of call, since the
	// length of the body is among the fields.
	knownHeaders = 8
	seenHeaders  = 16

	// maxKnownBytes is the longest block that is kept.
	maxKnownBytes = 1024
)

var memoSeed = maphash.MakeSeed()

// find gives the header that a block means, or nil if it is not known. It must not be
// changed.
func (m *headerMemo) find(block []byte) *requestHeader {
	for i := range m.known {
		if known := &m.known[i]; len(known.block) == len(block) && bytes.Equal(known.block, block) {
			return &known.header
		}
	}
	return nil
}

// note takes notice of what a block means, which is a whole one and leaves the table, and
// keeps it if it has come before. The header must not be changed afterwards.
func (m *headerMemo) note(block []byte, header *requestHeader) {
	if len(block) > maxKnownBytes {
		return
	}
	hash := maphash.Bytes(memoSeed, block)
	if !slices.Contains(m.seen[:], hash) {
		m.seen[m.nextSeen] = hash
		m.nextSeen = (m.nextSeen + 1) % seenHeaders
		return
	}
	known := &m.known[m.nextKnown]
	m.nextKnown = (m.nextKnown + 1) % knownHeaders
	known.block = append(known.block[:0], block...)
	known.header = *header
}

func (m *headerMemo) forget() { *m = headerMemo{} }

// leavesTable tells whether a block, which could be decoded, leaves the table of the
// connection as it is (RFC 7541, 6). It errs to the safe side.
func leavesTable(block []byte) bool {
	for len(block) > 0 {
		first := block[0]
		switch {
		case first&0x80 != 0: // a field of a table
			block = skipInteger(block, 7)
		case first&0xe0 != 0: // a field for the table, or a change of its size
			return false
		case first&0x0f != 0: // a value whose name is in a table
			block = skipString(skipInteger(block, 4))
		default:
			block = skipString(skipString(block[1:]))
		}
		if block == nil {
			return false
		}
	}
	return true
}

// skipInteger gives what follows an integer whose first byte has so many bits of it, or nil
// if that is not all here.
func skipInteger(block []byte, bits int) []byte {
	_, rest := readInteger(block, bits)
	return rest
}

func skipString(block []byte) []byte {
	length, rest := readInteger(block, 7)
	if rest == nil || length > len(rest) {
		return nil
	}
	return rest[length:]
}

// readInteger reads an integer (RFC 7541, 5.1). The rest is nil if it is not all here or is
// too large to be the length of anything.
func readInteger(block []byte, bits int) (value int, rest []byte) {
	if len(block) == 0 {
		return 0, nil
	}
	most := 1<<bits - 1
	value = int(block[0]) & most
	if value < most {
		return value, block[1:]
	}
	for i, shift := 1, 0; i < len(block) && shift <= 21; i, shift = i+1, shift+7 {
		value += int(block[i]&0x7f) << shift
		if block[i]&0x80 == 0 {
			return value, block[i+1:]
		}
	}
	return 0, nil
}
