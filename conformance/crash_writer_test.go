package conformance

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	crashOwnKeys      = 12 // of each writer, each set by nobody else
	crashCounters     = 3  // of all writers
	crashTokens       = 2  // keys that all writers set if a check holds
	crashExpiringKeys = 6  // of each writer
	crashLogEntries   = 4  // of each writer, under versionstamped keys
)

// crashWriter makes one atomic write after the other, until one gets no reply. All
// writes of one writer are of one goroutine.
type crashWriter struct {
	db     database
	number int
	random *rand.Rand
	run    string // is in each mark, so that no other run leaves the same
	// maxExpiry bounds the time for which keys that expire are there; 0 for no such keys.
	maxExpiry time.Duration
	// acknowledged is called after each reply that tells of a commit, before the next
	// write is sent.
	acknowledged func(*crashWrite)

	own    map[string]protocol.Versionstamp // of its own keys that are there
	logged [][]byte                         // its versionstamped keys that are there
	writes []*crashWrite                    // all that were sent
}

// newCrashWriter gives a writer that knows what the model says of its own keys.
func newCrashWriter(number int, seed uint64, run string, model *crashModel) *crashWriter {
	w := &crashWriter{
		number: number, run: run, random: rand.New(rand.NewPCG(seed, uint64(number))),
		own: make(map[string]protocol.Versionstamp), acknowledged: func(*crashWrite) {},
	}
	for key := range model.keys {
		entry := model.newest([]byte(key))
		switch {
		case entry.version == 0:
		case strings.HasPrefix(key, string(w.key("own"))):
			w.own[key] = protocol.VersionstampOf(entry.version)
		case strings.HasPrefix(key, string(w.key("log"))):
			w.logged = append(w.logged, []byte(key))
		}
	}
	slices.SortFunc(w.logged, bytes.Compare)
	return w
}

// crashKey encodes a key of strings.
func crashKey(parts ...string) []byte {
	return []byte("\x02crash\x00\x02" + strings.Join(parts, "\x00\x02") + "\x00")
}

// key gives a key of this writer alone.
func (w *crashWriter) key(parts ...string) []byte {
	return crashKey(append([]string{strconv.Itoa(w.number)}, parts...)...)
}

// write makes up to n writes. It fails if a reply is one that no crash explains.
func (w *crashWriter) write(ctx context.Context, n int) error {
	for range n {
		write, err := w.next(ctx)
		if err != nil {
			return gone(err)
		}
		w.writes = append(w.writes, write)
		output, err := w.db.atomicWrite(ctx, write.request)
		switch {
		case write.spoilt && (err == nil || strings.Contains(err.Error(), typeMismatchText)):
			write.outcome = writeTypeMismatch
			if err == nil {
				return fmt.Errorf("write %s did not fail, with a sum of what is no number", write.mark)
			}
		case err != nil && isRefusal(err):
			w.writes = w.writes[:len(w.writes)-1] // it was not begun with
			return nil
		case err != nil:
			write.outcome = writeLost
			return gone(err)
		case output.Status == protocol.AtomicWriteCommitted:
			write.outcome, write.version = writeCommitted, versionOf(output.Versionstamp)
			w.remember(write, output.Versionstamp)
			w.acknowledged(write)
		case output.Status == protocol.AtomicWriteCheckFailed:
			write.outcome = writeCheckFailed
			for _, i := range output.FailedChecks {
				if check := write.request.Checks[i]; bytes.HasPrefix(check.Key, w.key()) {
					return fmt.Errorf("write %s: %s is not at %s, where its only writer left it", write.mark, keyText(check.Key), check.Versionstamp)
				}
			}
		default:
			return fmt.Errorf("write %s ended with the status %d", write.mark, output.Status)
		}
	}
	return nil
}

// gone leaves out the errors of a server that is killed or drains.
func gone(err error) error {
	if isFault(err) {
		return err
	}
	return nil
}

// next draws a write. All values in it tell of it, so that a part of it is known when
// it is seen.
func (w *crashWriter) next(ctx context.Context) (*crashWrite, error) {
	write := &crashWrite{writer: w.number, mark: fmt.Sprintf("%s-%d-%d", w.run, w.number, len(w.writes)+1)}
	request := &write.request
	request.Mutations = []protocol.Mutation{set(w.markKey(), w.value(write.mark))}
	switch n := w.random.IntN(22); {
	case n >= 20:
		w.addOwn(request, func(key []byte) protocol.Mutation { return set(key, w.value(write.mark)) })
		// The mark is no number, so that all of this must be undone.
		at := 1 + w.random.IntN(len(request.Mutations))
		request.Mutations = slices.Insert(request.Mutations, at, u64(protocol.MutationSum, w.markKey(), 1))
		write.spoilt = true
	case n < 6: // the mark alone
	case n < 12:
		w.addOwn(request, func(key []byte) protocol.Mutation { return set(key, w.value(write.mark)) })
	case n < 14:
		w.addOwn(request, del)
	case n < 16:
		for range 2 {
			counter := crashKey("counter", strconv.Itoa(w.random.IntN(crashCounters)))
			request.Mutations = append(request.Mutations, u64(protocol.MutationSum, counter, 1+w.random.Uint64N(1000)))
		}
	case n < 17:
		request.Mutations = append(request.Mutations, protocol.Mutation{
			Type: protocol.MutationSetVersionstampedKey, Key: w.key("log"), Value: w.value(write.mark),
		})
		if len(w.logged) >= crashLogEntries {
			request.Mutations = append(request.Mutations, del(w.logged[0]))
		}
	case n < 19 && w.maxExpiry > 0:
		for range 1 + w.random.IntN(crashExpiringKeys) {
			key := w.key("expiring", strconv.Itoa(w.random.IntN(crashExpiringKeys)))
			expiry := time.Now().Add(time.Duration(w.random.Int64N(int64(w.maxExpiry)))).UnixMilli()
			request.Mutations = append(request.Mutations, setUntil(key, w.value(write.mark), expiry))
		}
	default:
		token := crashKey("token", strconv.Itoa(w.random.IntN(crashTokens)))
		output, err := w.db.snapshotRead(ctx, protocol.SnapshotRead{Ranges: []protocol.ReadRange{keyRange(token)}})
		if err != nil {
			return nil, err
		}
		check := protocol.Check{Key: token}
		for _, entry := range output.Ranges[0] {
			check.Versionstamp = entry.Versionstamp
		}
		request.Checks = append(request.Checks, check)
		request.Mutations = append(request.Mutations, set(token, w.value(write.mark)))
	}
	return write, nil
}

// addOwn changes some of the keys that belong to this writer alone, and checks them.
func (w *crashWriter) addOwn(request *protocol.AtomicWrite, mutation func(key []byte) protocol.Mutation) {
	for _, i := range w.random.Perm(crashOwnKeys)[:2+w.random.IntN(7)] {
		key := w.key("own", strconv.Itoa(i))
		request.Checks = append(request.Checks, protocol.Check{Key: key, Versionstamp: w.own[string(key)]})
		request.Mutations = append(request.Mutations, mutation(key))
	}
}

func (w *crashWriter) markKey() []byte { return w.key("mark") }

// remember notes what a write left of what only this writer changes.
func (w *crashWriter) remember(write *crashWrite, v protocol.Versionstamp) {
	for _, mutation := range write.request.Mutations {
		key := string(mutation.StoredKey(v))
		switch {
		case mutation.Type == protocol.MutationSetVersionstampedKey:
			w.logged = append(w.logged, []byte(key))
		case mutation.Type == protocol.MutationDelete && strings.HasPrefix(key, string(w.key("log"))):
			w.logged = w.logged[1:]
		case mutation.Type == protocol.MutationDelete:
			delete(w.own, key)
		case strings.HasPrefix(key, string(w.key("own"))):
			w.own[key] = v
		}
	}
}

// value begins with the mark. Most are short; some fill several pages, a few are as
// large as they may be.
func (w *crashWriter) value(mark string) protocol.Value {
	size := w.random.IntN(200)
	switch w.random.IntN(30) {
	case 0:
		size = protocol.MaxValueBytes
	case 1, 2, 3, 4:
		size = w.random.IntN(16 << 10)
	}
	data := []byte(mark + "|")
	for len(data) < size {
		data = strconv.AppendUint(data, w.random.Uint64(), 36)
	}
	return protocol.Value{Data: data[:max(size, len(mark)+1)], Encoding: protocol.EncodingBytes}
}
