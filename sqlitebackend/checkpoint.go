package sqlitebackend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// checkpointPages is the length of the WAL from which on it is written back, about
	// 4 MB with pages of 4096 bytes.
	checkpointPages = 1000

	// longWALPages is more than a WAL comes to while all is well and no reader holds it.
	longWALPages = 4 * checkpointPages

	// checkpointPatience bounds how long writers wait for readers to let go of the WAL,
	// for each checkpointPages that it has, up to maxCheckpointPatience: where some long
	// read is always under way, it would grow for ever otherwise.
	checkpointPatience    = 20 * time.Millisecond
	maxCheckpointPatience = 500 * time.Millisecond
)

// checkpointer writes the WAL back into the file. SQLite would do that at the end of a
// commit, which then takes many times as long. Here the most part happens on a
// connection of its own, while writes go on; only for what they add meanwhile does it
// take the writer's turn, so that the WAL can begin anew. Its file is not made
// shorter before the end, unless the disk failed: to write over it costs half as much as to
// append.
type checkpointer struct {
	open     func() (*conn, error)
	conn     *conn // nil until the first checkpoint; it belongs to the loop
	queue    *writeQueue
	trouble  *trouble // is told of checkpoints that fail because of the disk
	observer Observer
	logger   *slog.Logger

	walPages atomic.Int64
	duePages atomic.Int64
	shorten  atomic.Bool   // the next checkpoint is to make the file of the WAL shorter
	wake     chan struct{} // has room for one token

	cancel context.CancelFunc
	done   chan struct{}
}

// startCheckpointer takes what opens the connection, which many a database never needs;
// close must be called in the end.
func startCheckpointer(open func() (*conn, error), queue *writeQueue, trouble *trouble, observer Observer, logger *slog.Logger) *checkpointer {
	ctx, cancel := context.WithCancel(context.Background())
	p := &checkpointer{
		open: open, queue: queue, trouble: trouble, observer: observer, logger: logger,
		wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
	}
	p.duePages.Store(checkpointPages)
	go p.loop(ctx)
	return p
}

// close stops the checkpointer, waits for it and closes its connection.
func (p *checkpointer) close() error {
	p.cancel()
	<-p.done
	if p.conn == nil {
		return nil
	}
	return p.conn.close()
}

// wakeIfDue must be called after each commit that wrote to the WAL, with the number of
// pages that it has then.
func (p *checkpointer) wakeIfDue(walPages int) {
	p.walPages.Store(int64(walPages))
	if !p.isDue() {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// catchUp must be called when the disk has failed and is well again, with the number of pages
// that the WAL has then. What failed checkpoints have let grow becomes shorter, for once.
func (p *checkpointer) catchUp(walPages int) {
	p.shorten.Store(walPages > longWALPages)
	p.duePages.Store(checkpointPages)
	p.wakeIfDue(walPages)
}

func (p *checkpointer) isDue() bool { return p.walPages.Load() >= p.duePages.Load() }

func (p *checkpointer) loop(ctx context.Context) {
	defer close(p.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		if !p.isDue() {
			continue // the token is from before the last checkpoint
		}
		begun := time.Now()
		err := p.checkpoint(ctx)
		if err != nil && (ctx.Err() != nil || errors.Is(err, protocol.ErrClosed)) {
			continue // it was given up
		}
		p.observer.Checkpointed(time.Since(begun), err)
		switch {
		case err == nil:
		case diskErrorOf(err) != nil:
			p.trouble.note(err, 0)
		default:
			p.logger.Error("checkpoint failed", "error", err)
		}
	}
}

func (p *checkpointer) checkpoint(ctx context.Context) error {
	leftPages, err := p.run("passive")
	if err == nil {
		turn := newTask(nil, 0)
		if err := p.queue.await(ctx, turn); err != nil {
			return err
		}
		defer p.queue.pass()
		if err = p.conn.script(patiencePragma(p.walPages.Load())); err == nil {
			mode := "restart"
			if p.shorten.Swap(false) {
				mode = "truncate"
			}
			leftPages, err = p.run(mode)
		}
	}
	// What is left is left because of a reader, or of the disk: there is no use in
	// trying again before much was added.
	p.walPages.Store(leftPages)
	p.duePages.Store(leftPages + checkpointPages)
	return err
}

// patiencePragma sets how long a checkpoint waits for readers.
func patiencePragma(walPages int64) string {
	patience := min(time.Duration(max(walPages/checkpointPages, 1))*checkpointPatience, maxCheckpointPatience)
	return fmt.Sprintf("pragma busy_timeout = %d", patience.Milliseconds())
}

// run makes a checkpoint and gives the number of pages that stay in the WAL; 0 if it can
// begin anew.
func (p *checkpointer) run(mode string) (leftPages int64, err error) {
	if p.conn == nil {
		if p.conn, err = p.open(); err != nil {
			return p.walPages.Load(), fmt.Errorf("open a connection for checkpoints: %w", err)
		}
	}
	columns, err := p.conn.query("pragma wal_checkpoint(" + mode + ")")
	if err != nil {
		return p.walPages.Load(), fmt.Errorf("checkpoint %s: %w", mode, err)
	}
	busy, _ := columns[0].(int64)
	if pages, _ := columns[1].(int64); busy != 0 && pages > 0 {
		return pages, nil
	}
	return 0, nil
}
