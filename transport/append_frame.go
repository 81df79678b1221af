package transport

import (
	"encoding/binary"
	"strconv"

	"golang.org/x/net/http2"
)

// appendFrameHeader begins a frame with a payload of that length.
func appendFrameHeader(b []byte, length int, kind http2.FrameType, flags http2.Flags, id uint32) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags)) //nolint:gosec // of 24 bits
	return binary.BigEndian.AppendUint32(b, id)
}

// emptyTable has the table emptied that nothing sent here is in (RFC 7541, 6.3).
var emptyTable = []byte{0x20}

// appendHead begins the reply of a stream. The caller holds mu.
func (c *conn) appendHead(id uint32, end bool, parts ...[]byte) {
	var first []byte
	if c.settingsIn.smallTable && !c.settingsIn.emptied {
		c.settingsIn.emptied = true // clients may insist on it (RFC 9113, 4.3.1)
		first = emptyTable
	}
	c.out.set(appendHead(c.out.buffer(), id, end, first, parts...))
}

// appendHead begins the reply of a stream. The block is as long as one needs; what does
// not fit in a frame goes on in others.
func appendHead(b []byte, id uint32, end bool, first []byte, parts ...[]byte) []byte {
	length := len(first)
	for _, part := range parts {
		length += len(part)
	}
	var flags http2.Flags
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	if length <= maxFrameBytes {
		b = appendFrameHeader(b, length, http2.FrameHeaders, flags|http2.FlagHeadersEndHeaders, id)
		b = append(b, first...)
		for _, part := range parts {
			b = append(b, part...)
		}
		return b
	}
	block := append(make([]byte, 0, length), first...)
	for _, part := range parts {
		block = append(block, part...)
	}
	b = appendFrameHeader(b, maxFrameBytes, http2.FrameHeaders, flags, id)
	b, block = append(b, block[:maxFrameBytes]...), block[maxFrameBytes:]
	for len(block) > 0 {
		n := min(len(block), maxFrameBytes)
		flags = 0
		if n == len(block) {
			flags = http2.FlagContinuationEndHeaders
		}
		b = appendFrameHeader(b, n, http2.FrameContinuation, flags, id)
		b, block = append(b, block[:n]...), block[n:]
	}
	return b
}

// The places of names in the table that every client has (RFC 7541, Appendix A).
const (
	staticContentLength = 28
	staticDate          = 33
)

// appendLiteral adds a field whose name is in that table, and that no table is to keep.
// The value is shorter than 127 bytes, so that one byte says its length.
func appendLiteral[T string | []byte](b []byte, name byte, value T) []byte {
	const prefix = 0x0f                                  // of 4 bits, for what the table has at 15 and above
	b = append(b, prefix, name-prefix, byte(len(value))) //nolint:gosec // it is short
	return append(b, value...)
}

// maxFieldBytes is the longest name or value whose length one byte says.
const maxFieldBytes = 126

// appendField adds a field with a name that no table has, or none if there is no name.
func appendField(b []byte, field Field) []byte {
	if field.Name == "" || len(field.Name) > maxFieldBytes || len(field.Value) > maxFieldBytes {
		return b
	}
	const literalWithName = 0                             // that no table is to keep
	b = append(b, literalWithName, byte(len(field.Name))) //nolint:gosec // it is short
	b = append(b, field.Name...)
	b = append(b, byte(len(field.Value))) //nolint:gosec // it is short
	return append(b, field.Value...)
}

func appendContentLength(b []byte, bytes int) []byte {
	var digits [20]byte
	return appendLiteral(b, staticContentLength, strconv.AppendInt(digits[:0], int64(bytes), 10))
}

// The control frames. The caller holds mu.

func (c *conn) appendSettings(settings ...http2.Setting) {
	const settingBytes = 6
	b := appendFrameHeader(c.out.buffer(), len(settings)*settingBytes, http2.FrameSettings, 0, 0)
	for _, setting := range settings {
		b = binary.BigEndian.AppendUint16(b, uint16(setting.ID))
		b = binary.BigEndian.AppendUint32(b, setting.Val)
	}
	c.out.set(b)
}

func (c *conn) appendSettingsAck() {
	c.out.set(appendFrameHeader(c.out.buffer(), 0, http2.FrameSettings, http2.FlagSettingsAck, 0))
}

func (c *conn) appendPing(flags http2.Flags, data [8]byte) {
	b := appendFrameHeader(c.out.buffer(), len(data), http2.FramePing, flags, 0)
	c.out.set(append(b, data[:]...))
}

func (c *conn) appendWindowUpdate(id uint32, bytes int64) {
	b := appendFrameHeader(c.out.buffer(), 4, http2.FrameWindowUpdate, 0, id)
	c.out.set(binary.BigEndian.AppendUint32(b, uint32(bytes))) //nolint:gosec // at most a window
}

func (c *conn) appendReset(id uint32, code http2.ErrCode) {
	b := appendFrameHeader(c.out.buffer(), 4, http2.FrameRSTStream, 0, id)
	c.out.set(binary.BigEndian.AppendUint32(b, uint32(code)))
}

func (c *conn) appendGoAway(lastID uint32, code http2.ErrCode) {
	b := appendFrameHeader(c.out.buffer(), 8, http2.FrameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, lastID)
	c.out.set(binary.BigEndian.AppendUint32(b, uint32(code)))
}
