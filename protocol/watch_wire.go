package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// DecodeWatch reads and checks the body of a watch. The keys share no memory with
// body: a watch lives long, and would keep all of it.
func DecodeWatch(body []byte) (Watch, error) {
	const op = "watch"
	counts, wellFormed := watchShape.inspect(body)
	if n := counts[fieldWatchKeys]; n > MaxWatchedKeys {
		return Watch{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyWatchedKeys, n, MaxWatchedKeys)
	}
	if !wellFormed {
		return Watch{}, malformed(op, (*datapath.Watch)(nil))
	}
	watch := Watch{Keys: make([][]byte, 0, counts[fieldWatchKeys])}
	for field := range fieldsOf(body) {
		if field.number != fieldWatchKeys {
			continue
		}
		key, err := decodeWatchKey(field.bytes)
		if err != nil {
			return Watch{}, fmt.Errorf("%s: key %d: %w", op, len(watch.Keys), err)
		}
		watch.Keys = append(watch.Keys, bytes.Clone(key))
	}
	return watch, nil
}

func decodeWatchKey(message []byte) (key []byte, err error) {
	for field := range fieldsOf(message) {
		if field.number == fieldWatchKeyKey {
			key = field.bytes
		}
	}
	return key, checkKey(key, MaxReadKeyBytes)
}

// frameHeaderBytes is the length prefix of a frame: 4 bytes, least significant
// first.
const frameHeaderBytes = 4

// KeepAliveFrame is the frame without a message that keeps a watch stream alive.
func KeepAliveFrame() []byte { return make([]byte, frameHeaderBytes) }

// ReadDisabledFrame is the frame that says that the keys cannot be read any more. It is the
// last of a stream.
func ReadDisabledFrame() []byte {
	const status = uint64(datapath.SnapshotReadStatus_SR_READ_DISABLED)
	size := sizeVarintField(fieldWatchOutputStatus, status)
	frame := make([]byte, frameHeaderBytes, frameHeaderBytes+size)
	binary.LittleEndian.PutUint32(frame, uint32(size)) //nolint:gosec // a few bytes
	return appendVarintField(frame, fieldWatchOutputStatus, status)
}

// EncodeFrame gives one frame of the stream: the length of the message and the
// message. Every key is marked as changed, whether it did or not, because
// clients take an unmarked key for a deleted one.
func (o WatchOutput) EncodeFrame() ([]byte, error) {
	if o.frame == nil {
		return o.encodeFrame(), nil
	}
	if frame := o.frame.Load(); frame != nil {
		return *frame, nil
	}
	frame := o.encodeFrame()
	o.frame.Store(&frame) // or another that is the same
	return frame, nil
}

func (o WatchOutput) encodeFrame() []byte {
	const status = uint64(datapath.SnapshotReadStatus_SR_SUCCESS)
	size := sizeVarintField(fieldWatchOutputStatus, status)
	for _, entry := range o.Entries {
		size += sizeMessageField(fieldWatchOutputKeys, sizeWatchKeyOutput(entry))
	}
	frame := make([]byte, frameHeaderBytes, frameHeaderBytes+size)
	binary.LittleEndian.PutUint32(frame, uint32(size)) //nolint:gosec // at most MaxWatchedKeys entries
	frame = appendVarintField(frame, fieldWatchOutputStatus, status)
	for _, entry := range o.Entries {
		frame = appendMessageHeader(frame, fieldWatchOutputKeys, sizeWatchKeyOutput(entry))
		frame = appendVarintField(frame, fieldWatchKeyOutputChanged, watchKeyChanged)
		if entry != nil {
			frame = entry.appendField(frame, fieldWatchKeyOutputEntryIfChanged)
		}
	}
	return frame
}

// watchKeyChanged is true, as a number.
const watchKeyChanged = 1

func sizeWatchKeyOutput(entry *Entry) int {
	size := sizeVarintField(fieldWatchKeyOutputChanged, watchKeyChanged)
	if entry != nil {
		size += sizeMessageField(fieldWatchKeyOutputEntryIfChanged, entry.encodedSize())
	}
	return size
}
