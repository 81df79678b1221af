package protocol

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// Watch asks to follow keys ("KV Connect, Data Path Protocol, Watch Request").
// No keys at all are allowed: such a watch tells of nothing.
type Watch struct {
	Keys [][]byte
}

// WatchOutput is the state of every watched key, in the order of the request;
// nil stands for an absent key.
type WatchOutput struct {
	Entries []*Entry
}

// Watcher is a watch under way. It keeps no queue of states: who is slow to ask
// gets the newest one. Its methods are safe for concurrent use.
type Watcher interface {
	// Changed gives the channel on which a token arrives when State may have
	// news: at once for the first state, then after each commit or expiry that
	// touches a watched key, and when the backend is closed. Tokens that nobody
	// took collapse into one.
	Changed() <-chan struct{}

	// State gives the newest state of the watched keys as of one point in time,
	// which holds every change that a token announced.
	State(ctx context.Context) (WatchOutput, error)

	// Close ends the watch and frees what it holds.
	Close()
}

// DecodeWatch reads and checks the body of a watch.
func DecodeWatch(body []byte) (Watch, error) {
	const op = "watch"
	var message datapath.Watch
	counts, ok := countFields(body)
	if n := counts[1]; n > MaxWatchedKeys {
		return Watch{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyWatchedKeys, n, MaxWatchedKeys)
	}
	if !ok || proto.Unmarshal(body, &message) != nil || hasMistypedField(message.ProtoReflect()) {
		return Watch{}, malformed(op, &message)
	}
	watch := Watch{Keys: make([][]byte, 0, len(message.GetKeys()))}
	for i, key := range message.GetKeys() {
		if err := checkKey(key.GetKey(), MaxReadKeyBytes); err != nil {
			return Watch{}, fmt.Errorf("%s: key %d: %w", op, i, err)
		}
		watch.Keys = append(watch.Keys, key.GetKey())
	}
	return watch, nil
}

// frameHeaderBytes is the length prefix of a frame: 4 bytes, least significant
// first.
const frameHeaderBytes = 4

// KeepAliveFrame is the frame without a message that keeps a watch stream alive.
func KeepAliveFrame() []byte { return make([]byte, frameHeaderBytes) }

// EncodeFrame gives one frame of the stream: the length of the message and the
// message. Every key is marked as changed, whether it did or not, because
// clients take an unmarked key for a deleted one.
func (o WatchOutput) EncodeFrame() ([]byte, error) {
	message := datapath.WatchOutput{
		Status: datapath.SnapshotReadStatus_SR_SUCCESS,
		Keys:   make([]*datapath.WatchKeyOutput, len(o.Entries)),
	}
	for i, entry := range o.Entries {
		message.Keys[i] = &datapath.WatchKeyOutput{Changed: true}
		if entry != nil {
			message.Keys[i].EntryIfChanged = entry.encode()
		}
	}
	size := proto.Size(&message)
	frame := make([]byte, frameHeaderBytes, frameHeaderBytes+size)
	frame, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(frame, &message)
	if err != nil {
		return nil, fmt.Errorf("encode watch output: %w", err)
	}
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeaderBytes)) //nolint:gosec // at most MaxWatchedKeys entries
	return frame, nil
}

// Versionstamps gives that of each entry, the zero one for an absent key. Two
// states of one watch are the same if these are.
func (o WatchOutput) Versionstamps() []Versionstamp {
	versionstamps := make([]Versionstamp, len(o.Entries))
	for i, entry := range o.Entries {
		if entry != nil {
			versionstamps[i] = entry.Versionstamp
		}
	}
	return versionstamps
}
