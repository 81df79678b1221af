package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// workload is what concurrent clients do to a few keys, chosen at random.
type workload struct {
	// ways lead to the database. Each client and each watch uses one of them.
	ways []database
	// key gives the encoded key of parts, under a prefix that nobody else uses.
	key func(parts ...any) []byte
	// clients make that many calls each that are answered, and then all pause until
	// the watches have told of the last state; that is a burst. There are that many
	// of them.
	clients, calls, bursts int
	// watches go on all the time.
	watches int
	// lossy tells that calls may fail because connections break. Every write that
	// changes something then adds to the log, to find out later whether it was made.
	lossy bool
	// mismatches tells that writes may not fit the type of a value.
	mismatches bool
	// seed makes the choices the same again; how they meet is left to chance.
	seed uint64
	// patience is how long a watch may take to tell of the last state.
	patience time.Duration
	// called, if not nil, is told after each answer how many there were.
	called func(calls int64)
}

const (
	// retryDelay is how long a client waits after a connection has broken.
	retryDelay = 5 * time.Millisecond
	// settlePatience is far above what a watch takes to tell of the last state.
	settlePatience = 10 * time.Second
	// pageEntries is how many entries a client reads at a time that reads all.
	pageEntries = 200
)

// run makes all calls beside the watches.
func (w *workload) run(ctx context.Context) (*recorder, error) {
	r := &recorder{}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	followers := make([]*follower, w.watches)
	followed := make([]error, w.watches)
	var following sync.WaitGroup
	for i := range followers {
		followers[i] = &follower{keys: w.watchedKeys(i), restless: i%3 == 2}
		following.Go(func() { followed[i] = w.follow(watching, r, followers[i], w.way(i)) })
	}
	err := w.write(ctx, r, followers)
	stopWatching()
	following.Wait()
	for _, f := range followers {
		r.noteWatch(f.taken())
	}
	return r, errors.Join(err, errors.Join(followed...))
}

func (w *workload) way(i int) database { return w.ways[i%len(w.ways)] }

// write makes all bursts. A watch that does not tell of the last state after one is
// for the check of the history to find.
func (w *workload) write(ctx context.Context, r *recorder, followers []*follower) error {
	clients := make([]*randomClient, w.clients)
	for i := range clients {
		clients[i] = newRandomClient(w, r, i)
	}
	var calls atomic.Int64
	for range w.bursts {
		if err := w.burst(ctx, clients, &calls); err != nil {
			return err
		}
		begin := r.now()
		settled, err := w.settle(ctx, followers)
		r.notePause(pause{begin, r.now()})
		if err != nil || !settled {
			return err
		}
	}
	return nil
}

// burst has each client make its calls. The first that fails ends them all.
func (w *workload) burst(ctx context.Context, clients []*randomClient, calls *atomic.Int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	for _, c := range clients {
		wait.Go(func() {
			for answered := 0; answered < w.calls; {
				err := c.act(ctx)
				if err := w.forgive(ctx, err); err != nil {
					cancel(fmt.Errorf("client %d: %w", c.number, err))
					return
				}
				if err != nil {
					continue
				}
				answered++
				if n := calls.Add(1); w.called != nil {
					w.called(n)
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// follow keeps a watch open.
func (w *workload) follow(ctx context.Context, r *recorder, f *follower, db database) error {
	for ctx.Err() == nil {
		err := f.follow(ctx, r, db)
		if err := w.forgive(ctx, err); err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return nil
}

// forgive gives the error of a call unless it is one that calls may have here. It
// waits a little before the next.
func (w *workload) forgive(ctx context.Context, err error) error {
	if err == nil || !w.lossy || isFault(err) {
		return err
	}
	timer := time.NewTimer(retryDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits until all watches have told of the state that the database is in. It
// gives up when w.patience is over.
func (w *workload) settle(ctx context.Context, followers []*follower) (settled bool, err error) {
	tick := time.NewTicker(retryDelay)
	defer tick.Stop()
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); {
		output, err := w.ways[0].snapshotRead(ctx, protocol.SnapshotRead{Ranges: []protocol.ReadRange{w.keysRange()}})
		if err := w.forgive(ctx, err); err != nil {
			return false, err
		}
		if err == nil && allShow(followers, output.Ranges[0]) {
			return true, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return false, nil
}

func allShow(followers []*follower, entries []protocol.Entry) bool {
	s := &state{}
	for i := range entries {
		s.entries = append(s.entries, &entries[i])
	}
	return !slices.ContainsFunc(followers, func(f *follower) bool { return !f.shows(s) })
}

// finish reads everything that is there, finds out which lost writes were made, and
// gives the history. No write may be under way any more.
func (w *workload) finish(ctx context.Context, r *recorder) (*history, error) {
	const auditor = -1
	var log []protocol.Entry
	page := w.wholeRange(pageEntries)
	for {
		output, err := r.read(ctx, w.ways[0], auditor, page)
		if err != nil {
			return nil, fmt.Errorf("read everything: %w", err)
		}
		entries := output.Ranges[0]
		for _, entry := range entries {
			if w.inLog(entry.Key) {
				log = append(log, entry)
			}
		}
		if len(entries) < page.Limit {
			break
		}
		page.Start = keyAfter(entries[len(entries)-1].Key)
	}
	h := r.taken()
	if err := h.resolve(log); err != nil {
		return nil, err
	}
	return h, nil
}

// newRandom gives the choices of a client or watch.
func (w *workload) newRandom(role string, i int) *rand.Rand {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%s %d %d", role, i, w.seed))
	return rand.New(rand.NewChaCha8(seed)) //nolint:gosec // must be the same again for the same seed
}
