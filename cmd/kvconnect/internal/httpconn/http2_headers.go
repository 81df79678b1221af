package httpconn

import (
	"bytes"
	"net/url"
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// headerEncoder makes header blocks. What it has sent once, the server remembers in
// its table, and later blocks say it in one byte a field; such a block is kept and
// used again for as long as the table stays as it is.
type headerEncoder struct {
	pseudo     []hpack.HeaderField // of every request, but for the path
	encoder    *hpack.Encoder
	buffer     *bytes.Buffer // of the encoder
	tableBytes uint32        // the size of the table that the server keeps
	usedBytes  uint32        // what the fields that were sent take of it
	sent       map[hpack.HeaderField]bool
	blocks     map[*Route][]byte // whole blocks but for Content-Length
	block      []byte            // the last one given
}

func newHeaderEncoder(origin *url.URL) headerEncoder {
	buffer := new(bytes.Buffer)
	e := headerEncoder{
		pseudo: []hpack.HeaderField{
			{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: origin.Scheme}, {Name: ":authority", Value: origin.Host},
		},
		buffer: buffer, encoder: hpack.NewEncoder(buffer), tableBytes: defaultTableBytes,
		sent: make(map[hpack.HeaderField]bool), blocks: make(map[*Route][]byte),
	}
	return e
}

// setTableBytes takes what the server says of its table. The next block tells the
// server that the table begins anew.
func (e *headerEncoder) setTableBytes(size uint32) {
	size = min(size, defaultTableBytes)
	if size == e.tableBytes {
		return
	}
	e.tableBytes = size
	e.encoder.SetMaxDynamicTableSize(0)
	e.encoder.SetMaxDynamicTableSizeLimit(size)
	e.encoder.SetMaxDynamicTableSize(size)
	e.usedBytes = 0
	clear(e.sent)
	clear(e.blocks)
}

// encode gives the block of a request, which is valid until the next one.
func (e *headerEncoder) encode(route *Route, bodyBytes int) []byte {
	block, ok := e.blocks[route]
	if !ok {
		block = e.encodeFields(route)
	}
	e.block = appendContentLength(append(e.block[:0], block...), bodyBytes)
	return e.block
}

// encodeFields encodes all fields but Content-Length. The result is kept if it says
// nothing that the server did not know: any news moves what is in the table.
func (e *headerEncoder) encodeFields(route *Route) []byte {
	e.buffer.Reset()
	news := false
	for _, fields := range [][]hpack.HeaderField{e.pseudo, {{Name: ":path", Value: route.Path}}, route.Header} {
		for _, field := range fields {
			known := e.sent[field]
			if !known {
				// What does not fit beside the rest would push it out: it is spelled out
				// each time.
				field.Sensitive = e.usedBytes+field.Size() > e.tableBytes
			}
			if !known && !field.Sensitive {
				e.sent[field] = true
				e.usedBytes += field.Size()
				news = true
			}
			_ = e.encoder.WriteField(field) // a buffer takes everything
		}
	}
	block := e.buffer.Bytes()
	if news {
		clear(e.blocks)
	} else {
		e.blocks[route] = bytes.Clone(block)
	}
	return block
}

// appendContentLength spells the field out, as its value changes: a literal that is
// not to be remembered, with the name of index 28 of the static table.
func appendContentLength(block []byte, bodyBytes int) []byte {
	var digits [20]byte
	value := strconv.AppendInt(digits[:0], int64(bodyBytes), 10)
	return append(append(block, 0x0f, 28-15, byte(len(value))), value...) //nolint:gosec // a number has at most 20 digits
}
