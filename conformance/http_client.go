package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// httpClients gives a client for each way to speak to a server without TLS.
var httpClients = map[string]func() *http.Client{
	"HTTP1": func() *http.Client {
		return &http.Client{Transport: &http.Transport{}}
	},
	"HTTP2": func() *http.Client {
		var protocols http.Protocols
		protocols.SetUnencryptedHTTP2(true)
		return &http.Client{Transport: &http.Transport{Protocols: &protocols}}
	},
}

// metadata is the reply of a metadata exchange.
type metadata struct {
	Version    int        `json:"version"`
	DatabaseID string     `json:"databaseId"`
	Endpoints  []endpoint `json:"endpoints"`
	Token      string     `json:"token"`
	ExpiresAt  string     `json:"expiresAt"`
}

type endpoint struct {
	URL         string `json:"url"`
	Consistency string `json:"consistency"`
}

// httpDatabase speaks KV Connect, version 3.
type httpDatabase struct {
	client   *http.Client
	metadata metadata
}

// openHTTP makes the metadata exchange.
func openHTTP(ctx context.Context, client *http.Client, url, token string) (*httpDatabase, error) {
	reply, err := post(ctx, client, url, http.Header{
		"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"},
	}, []byte(`{"supportedVersions":[1,2,3]}`))
	if err != nil {
		return nil, err
	}
	if reply.status != http.StatusOK {
		return nil, reply.err()
	}
	d := &httpDatabase{client: client}
	if err := json.Unmarshal(reply.body, &d.metadata); err != nil {
		return nil, err
	}
	if len(d.metadata.Endpoints) == 0 {
		return nil, errors.New("the metadata names no endpoint")
	}
	// denokv names a relative URL, as version 2 allows.
	base, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	absolute, err := base.URL.Parse(d.metadata.Endpoints[0].URL)
	if err != nil {
		return nil, err
	}
	d.metadata.Endpoints[0].URL = absolute.String()
	return d, nil
}

func (d *httpDatabase) url(method string) string { return d.metadata.Endpoints[0].URL + "/" + method }

func (d *httpDatabase) header() http.Header {
	return http.Header{
		"Authorization":        {"Bearer " + d.metadata.Token},
		"Content-Type":         {"application/x-protobuf"},
		"X-Denokv-Version":     {"3"},
		"X-Denokv-Database-Id": {d.metadata.DatabaseID},
	}
}

// reply is the answer to a request, read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) err() error { return &statusError{r.status, string(r.body)} }

// statusError is a reply that is no success.
type statusError struct {
	status int
	text   string
}

// Error implements error.
func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.text) }

func post(ctx context.Context, client *http.Client, url string, header http.Header, body []byte) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	data, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, data}, errors.Join(err, response.Body.Close())
}

// call makes a call of the data path and decodes the reply.
func (d *httpDatabase) call(ctx context.Context, method string, message, output proto.Message) error {
	body, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	reply, err := post(ctx, d.client, d.url(method), d.header(), body)
	switch {
	case err != nil:
		return err
	case reply.status != http.StatusOK:
		return reply.err()
	case reply.header.Get("Content-Type") != "application/x-protobuf":
		return fmt.Errorf("the reply has the content type %q", reply.header.Get("Content-Type"))
	}
	return proto.Unmarshal(reply.body, output)
}

func (d *httpDatabase) snapshotRead(ctx context.Context, read protocol.SnapshotRead) (protocol.SnapshotReadOutput, error) {
	var message datapath.SnapshotRead
	for _, r := range read.Ranges {
		message.Ranges = append(message.Ranges, &datapath.ReadRange{
			Start: r.Start, End: r.End, Limit: int32(r.Limit), Reverse: r.Reverse, //nolint:gosec // at most protocol.MaxReadEntries
		})
	}
	var reply datapath.SnapshotReadOutput
	if err := d.call(ctx, "snapshot_read", &message, &reply); err != nil {
		return protocol.SnapshotReadOutput{}, err
	}
	if reply.GetStatus() != datapath.SnapshotReadStatus_SR_SUCCESS || !reply.GetReadIsStronglyConsistent() || reply.GetReadDisabled() {
		return protocol.SnapshotReadOutput{}, fmt.Errorf("snapshot read: status %v, strongly consistent %v, disabled %v",
			reply.GetStatus(), reply.GetReadIsStronglyConsistent(), reply.GetReadDisabled())
	}
	output := protocol.SnapshotReadOutput{Ranges: make([][]protocol.Entry, len(reply.GetRanges()))}
	for i, r := range reply.GetRanges() {
		for _, value := range r.GetValues() {
			entry, err := entryOf(value)
			if err != nil {
				return protocol.SnapshotReadOutput{}, err
			}
			output.Ranges[i] = append(output.Ranges[i], entry)
		}
	}
	return output, nil
}

func entryOf(e *datapath.KvEntry) (protocol.Entry, error) {
	v, err := protocol.ParseVersionstamp(e.GetVersionstamp())
	data := e.GetValue()
	if data == nil {
		data = []byte{} // an empty value leaves no trace on the wire
	}
	return protocol.Entry{
		Key: e.GetKey(), Versionstamp: v,
		Value: protocol.Value{Data: data, Encoding: protocol.ValueEncoding(e.GetEncoding())},
	}, err
}

var wireMutationTypes = map[protocol.MutationType]datapath.MutationType{
	protocol.MutationSet:                  datapath.MutationType_M_SET,
	protocol.MutationDelete:               datapath.MutationType_M_DELETE,
	protocol.MutationSum:                  datapath.MutationType_M_SUM,
	protocol.MutationMin:                  datapath.MutationType_M_MIN,
	protocol.MutationMax:                  datapath.MutationType_M_MAX,
	protocol.MutationSetVersionstampedKey: datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY,
}

// atomicWriteMessage gives the write as it goes over the wire.
func atomicWriteMessage(write protocol.AtomicWrite) *datapath.AtomicWrite {
	var message datapath.AtomicWrite
	for _, check := range write.Checks {
		c := &datapath.Check{Key: check.Key}
		if !check.Versionstamp.IsZero() {
			c.Versionstamp = check.Versionstamp[:]
		}
		message.Checks = append(message.Checks, c)
	}
	for _, m := range write.Mutations {
		mutation := &datapath.Mutation{
			Key: m.Key, MutationType: wireMutationTypes[m.Type], ExpireAtMs: m.ExpireAtMs,
			SumMin: m.SumMin, SumMax: m.SumMax, SumClamp: m.SumClamp,
		}
		if m.Type != protocol.MutationDelete {
			mutation.Value = &datapath.KvValue{Data: m.Value.Data, Encoding: datapath.ValueEncoding(m.Value.Encoding)}
		}
		message.Mutations = append(message.Mutations, mutation)
	}
	return &message
}

func (d *httpDatabase) atomicWrite(ctx context.Context, write protocol.AtomicWrite) (protocol.AtomicWriteOutput, error) {
	var reply datapath.AtomicWriteOutput
	if err := d.call(ctx, "atomic_write", atomicWriteMessage(write), &reply); err != nil {
		return protocol.AtomicWriteOutput{}, err
	}
	v, err := protocol.ParseVersionstamp(reply.GetVersionstamp())
	output := protocol.AtomicWriteOutput{Versionstamp: v, FailedChecks: reply.GetFailedChecks()}
	switch reply.GetStatus() {
	case datapath.AtomicWriteStatus_AW_SUCCESS:
		output.Status = protocol.AtomicWriteCommitted
	case datapath.AtomicWriteStatus_AW_CHECK_FAILURE:
		output.Status = protocol.AtomicWriteCheckFailed
	case datapath.AtomicWriteStatus_AW_WRITE_DISABLED:
		output.Status = protocol.AtomicWriteDisabled
	default:
		return protocol.AtomicWriteOutput{}, fmt.Errorf("atomic write: status %v", reply.GetStatus())
	}
	return output, err
}

// watchMessage gives the watch as it goes over the wire.
func watchMessage(keys ...[]byte) *datapath.Watch {
	var message datapath.Watch
	for _, key := range keys {
		message.Keys = append(message.Keys, &datapath.WatchKey{Key: key})
	}
	return &message
}

func (d *httpDatabase) watch(ctx context.Context, keys [][]byte) (<-chan protocol.WatchOutput, error) {
	body, err := proto.Marshal(watchMessage(keys...))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url("watch"), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header = d.header()
	response, err := d.client.Do(request) //nolint:bodyclose // closed where the stream ends
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(response.Body)
		return nil, errors.Join(reply{status: response.StatusCode, body: text}.err(), err, response.Body.Close())
	}
	states := make(chan protocol.WatchOutput)
	go func() {
		defer close(states)
		defer func() { _ = response.Body.Close() }() // only read
		for {
			state, err := readFrame(response.Body)
			if err != nil {
				return
			}
			if state == nil {
				continue
			}
			select {
			case states <- *state:
			case <-ctx.Done():
				return
			}
		}
	}()
	return states, nil
}

// readFrame reads one frame; it gives nil for one that only keeps the stream
// alive.
func readFrame(stream io.Reader) (*protocol.WatchOutput, error) {
	var header [4]byte
	if _, err := io.ReadFull(stream, header[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.LittleEndian.Uint32(header[:]))
	if len(body) == 0 {
		return nil, nil
	}
	if _, err := io.ReadFull(stream, body); err != nil {
		return nil, err
	}
	var message datapath.WatchOutput
	if err := proto.Unmarshal(body, &message); err != nil {
		return nil, err
	}
	if message.GetStatus() != datapath.SnapshotReadStatus_SR_SUCCESS {
		return nil, fmt.Errorf("watch: status %v", message.GetStatus())
	}
	state := &protocol.WatchOutput{Entries: make([]*protocol.Entry, len(message.GetKeys()))}
	for i, key := range message.GetKeys() {
		if !key.GetChanged() {
			return nil, fmt.Errorf("watch: key %d is not marked as changed, which clients take for a deletion", i)
		}
		if key.GetEntryIfChanged() == nil {
			continue
		}
		entry, err := entryOf(key.GetEntryIfChanged())
		if err != nil {
			return nil, err
		}
		state.Entries[i] = &entry
	}
	return state, nil
}
