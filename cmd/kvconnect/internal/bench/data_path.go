package bench

import (
	"bytes"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/encoding/protowire"
)

// The messages that are made for every operation are put together by hand, and their
// replies are looked through without making a copy. The field numbers are those of
// protocol/datapath.

func appendBytes(b []byte, field protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), data)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// messageMaker makes requests in memory that it uses again. What a method gives is
// valid until the next call.
type messageMaker struct {
	inner, nested, message []byte
}

// read gives a SnapshotRead of one range.
func (m *messageMaker) read(start, end []byte, limit int) []byte {
	m.inner = appendBytes(m.inner[:0], 1, start)
	m.inner = appendBytes(m.inner, 2, end)
	m.inner = appendNumber(m.inner, 3, uint64(limit)) //nolint:gosec // at most protocol.MaxReadEntries
	m.message = appendBytes(m.message[:0], 1, m.inner)
	return m.message
}

// readKey gives a SnapshotRead of one key, as Deno makes it.
func (m *messageMaker) readKey(key []byte) []byte {
	m.nested = append(append(m.nested[:0], key...), 0)
	return m.read(key, m.nested, 1)
}

// set gives an AtomicWrite that sets one key.
func (m *messageMaker) set(key, value []byte, encoding datapath.ValueEncoding) []byte {
	m.message = m.appendSet(m.message[:0], key, value, encoding)
	return m.message
}

// appendSet appends one set to an AtomicWrite.
func (m *messageMaker) appendSet(message, key, value []byte, encoding datapath.ValueEncoding) []byte {
	m.nested = appendBytes(m.nested[:0], 1, value)
	m.nested = appendNumber(m.nested, 2, uint64(encoding)) //nolint:gosec // encodings are not negative
	m.inner = appendBytes(m.inner[:0], 1, key)
	m.inner = appendBytes(m.inner, 2, m.nested)
	m.inner = appendNumber(m.inner, 3, uint64(datapath.MutationType_M_SET))
	return appendBytes(message, 2, m.inner)
}

// appendDelete appends one delete to an AtomicWrite.
func (m *messageMaker) appendDelete(message, key []byte) []byte {
	m.inner = appendBytes(m.inner[:0], 1, key)
	m.inner = appendNumber(m.inner, 3, uint64(datapath.MutationType_M_DELETE))
	return appendBytes(message, 2, m.inner)
}

// checkAndSet gives an AtomicWrite that sets a key if it has the versionstamp.
func (m *messageMaker) checkAndSet(key, versionstamp, value []byte, encoding datapath.ValueEncoding) []byte {
	m.inner = appendBytes(m.inner[:0], 1, key)
	m.inner = appendBytes(m.inner, 2, versionstamp)
	m.message = appendBytes(m.message[:0], 1, m.inner)
	m.message = m.appendSet(m.message, key, value, encoding)
	return m.message
}

// fields calls f for each field of a message: number holds the value of a varint,
// data that of a length-delimited field.
func fields(message []byte, f func(field int32, number uint64, data []byte) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return wrongReply("the reply is no protobuf message")
		}
		message = message[n:]
		var number uint64
		var data []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return wrongReply("the reply is no protobuf message")
		}
		message = message[n:]
		if err := f(int32(field), number, data); err != nil {
			return err
		}
	}
	return nil
}

// entry is a KvEntry, in the memory of the reply.
type entry struct {
	key, value, versionstamp []byte
	encoding                 datapath.ValueEncoding
}

func parseEntry(message []byte) (e entry, err error) {
	err = fields(message, func(field int32, number uint64, data []byte) error {
		switch field {
		case 1:
			e.key = data
		case 2:
			e.value = data
		case 3:
			e.encoding = datapath.ValueEncoding(number) //nolint:gosec // compared, no more
		case 4:
			e.versionstamp = data
		}
		return nil
	})
	if err == nil && len(e.versionstamp) != protocol.VersionstampBytes {
		err = wrongReply("an entry has a versionstamp of %d bytes", len(e.versionstamp))
	}
	return e, err
}

// parseRead looks through a SnapshotReadOutput of one range, and calls f for each
// entry. version is that of the protocol.
func parseRead(reply []byte, version int, f func(entry) error) error {
	var status datapath.SnapshotReadStatus
	ranges, disabled := 0, false
	err := fields(reply, func(field int32, number uint64, data []byte) error {
		switch field {
		case 1:
			ranges++
			return fields(data, func(field int32, _ uint64, data []byte) error {
				if field != 1 {
					return nil
				}
				e, err := parseEntry(data)
				if err != nil {
					return err
				}
				return f(e)
			})
		case 2:
			disabled = number != 0
		case 8:
			status = datapath.SnapshotReadStatus(number) //nolint:gosec // compared, no more
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case disabled || version >= 3 && status != datapath.SnapshotReadStatus_SR_SUCCESS:
		return wrongReply("the read ended with %v", status)
	case ranges != 1:
		return wrongReply("the reply to a read of one range has %d", ranges)
	}
	return nil
}

// parseWrite looks through an AtomicWriteOutput, and tells whether the write was
// committed or a check failed.
func parseWrite(reply []byte) (committed bool, err error) {
	var status datapath.AtomicWriteStatus
	var versionstamp []byte
	err = fields(reply, func(field int32, number uint64, data []byte) error {
		switch field {
		case 1:
			status = datapath.AtomicWriteStatus(number) //nolint:gosec // compared, no more
		case 2:
			versionstamp = data
		}
		return nil
	})
	switch {
	case err != nil:
		return false, err
	case status == datapath.AtomicWriteStatus_AW_CHECK_FAILURE:
		return false, nil
	case status != datapath.AtomicWriteStatus_AW_SUCCESS:
		return false, wrongReply("the write ended with %v", status)
	case len(versionstamp) != protocol.VersionstampBytes || bytes.Equal(versionstamp, make([]byte, protocol.VersionstampBytes)):
		return false, wrongReply("the write was given no versionstamp")
	}
	return true, nil
}

// parseWatch gives the entry that a WatchOutput of one key holds, and false if it
// holds none.
func parseWatch(frame []byte) (e entry, ok bool, err error) {
	var status datapath.SnapshotReadStatus
	err = fields(frame, func(field int32, number uint64, data []byte) error {
		switch field {
		case 1:
			status = datapath.SnapshotReadStatus(number) //nolint:gosec // compared, no more
		case 2:
			return fields(data, func(field int32, _ uint64, data []byte) (err error) {
				if field == 2 {
					ok = true
					e, err = parseEntry(data)
				}
				return err
			})
		}
		return nil
	})
	if err == nil && status != datapath.SnapshotReadStatus_SR_SUCCESS {
		err = wrongReply("the watch ended with %v", status)
	}
	return e, ok, err
}
