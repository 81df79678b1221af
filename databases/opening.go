package databases

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

var (
	// errForgotten: the database was forgotten while it was being opened. Whoever waits for
	// it asks again, and Options.Open says what there is now.
	errForgotten = errors.New("the database was forgotten while it was being opened")

	errNoBackend = errors.New("no backend was given, and no error")
)

// opening is a database on its way to being open: first it waits in line for room, then it is
// admitted and a goroutine opens it.
type opening struct {
	id     uuid.UUID
	askers int      // guarded by Pool.mu: how many wait for it
	cancel func()   // guarded by Pool.mu: ends the ctx of Open; nil until it is admitted
	end    *closing // guarded by Pool.mu: what Forget waits for; nil unless it was called

	done chan struct{} // closed, with Pool.mu held, once the fields below are set
	// database is on loan to each of the askers.
	database *openDatabase
	err      error
}

// lendCold lends a database that is not open. It fails with errForgotten if it is worth
// another try.
func (p *Pool) lendCold(ctx context.Context, id uuid.UUID) (*openDatabase, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, o, inLine, err := p.ask(id)
	if o == nil {
		return d, err
	}
	var timeout <-chan time.Time
	if inLine {
		fired, stop := p.options.Clock.NewTimerAt(p.options.Clock.Now().Add(p.options.WaitTimeout))
		defer stop()
		timeout = fired
	}
	for {
		select {
		case <-o.done:
			return o.database, o.err
		case <-ctx.Done():
			p.leave(o)
			return nil, ctx.Err()
		case <-timeout:
			if p.leaveLine(o) {
				return nil, p.refuse()
			}
			timeout = nil // there is room, and it is being opened
		}
	}
}

// ask lends the database if it has become open, or else counts one more who waits for it to
// be opened. It tells whether that has to wait for room.
func (p *Pool) ask(id uuid.UUID) (d *openDatabase, o *opening, inLine bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isClosed {
		return nil, nil, false, protocol.ErrClosed
	}
	if d := p.lendOpen(id); d != nil {
		return d, nil, false, nil
	}
	o = p.openings[id]
	if o == nil {
		o = &opening{id: id, done: make(chan struct{})}
		p.openings[id] = o
		p.setLine(append(p.line, o))
		p.makeRoom()
	}
	o.askers++
	return nil, o, o.cancel == nil, nil
}

// leave takes back what ask counted, for somebody who does not wait any longer.
func (p *Pool) leave(o *opening) {
	p.mu.Lock()
	select {
	case <-o.done:
		p.mu.Unlock()
		if o.database != nil {
			o.database.Release()
		}
		return
	default:
	}
	defer p.mu.Unlock()
	p.forgetAsker(o)
}

// leaveLine takes back what ask counted if the opening still waits for room.
func (p *Pool) leaveLine(o *opening) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.openings[o.id] != o || o.cancel != nil {
		return false
	}
	p.forgetAsker(o)
	return true
}

// forgetAsker takes an opening out of the line that nobody waits for any more. One that was
// admitted goes on. The caller holds mu.
func (p *Pool) forgetAsker(o *opening) {
	o.askers--
	if o.askers == 0 && o.cancel == nil {
		p.removeFromLine(o)
		delete(p.openings, o.id)
	}
}

// admit has an opening begin that has got room. The caller holds mu.
func (p *Pool) admit(o *opening) {
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	before := p.closings[o.id]
	p.goroutines.Go(func() {
		defer cancel()
		if before != nil {
			<-before.done
		}
		backend, err := p.openBackend(ctx, o.id)
		p.finishOpening(o, backend, err)
	})
}

// openBackend calls Open in its turn.
func (p *Pool) openBackend(ctx context.Context, id uuid.UUID) (kvconnect.Backend, error) {
	p.openingTurns <- struct{}{}
	defer func() { <-p.openingTurns }()
	var backend kvconnect.Backend
	err := ctx.Err()
	if err == nil {
		err = panicAsError(func() (err error) {
			backend, err = p.options.Open(ctx, id)
			return err
		})
	}
	switch {
	case errors.Is(err, protocol.ErrUnknownDatabase):
		return nil, err // in the words in which clients are told of it elsewhere
	case err == nil && backend == nil:
		err = errNoBackend
		fallthrough
	case err != nil:
		return nil, fmt.Errorf("open database %s: %w", id, err)
	default:
		return backend, nil
	}
}

// finishOpening tells the askers what came of it. Without a backend there is an error.
func (p *Pool) finishOpening(o *opening, backend kvconnect.Backend, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.isClosed:
		err = protocol.ErrClosed
	case o.end != nil:
		err = errForgotten
	}
	var d *openDatabase
	if backend != nil {
		d = &openDatabase{pool: p, id: o.id, backend: backend}
	}
	switch {
	case d == nil:
		p.endOpening(o, nil, err)
		if o.end != nil {
			close(o.end.done)
		}
		p.giveRoom()
	case err != nil:
		d.end()
		p.endOpening(o, nil, err)
		if o.end == nil {
			o.end = newClosing()
		}
		p.closeDatabase(d, o.end)
	default:
		d.loans.Store(int64(o.askers))
		d.lastUse.Store(int64(p.elapsed()))
		p.open.Store(o.id, d)
		p.endOpening(o, d, nil)
		select {
		case p.opened <- struct{}{}:
		default:
		}
		if o.askers == 0 {
			p.makeRoom()
		}
	}
}

// endOpening lets the askers go. The caller holds mu.
func (p *Pool) endOpening(o *opening, d *openDatabase, err error) {
	delete(p.openings, o.id)
	o.database, o.err = d, err
	close(o.done)
}

// panicAsError calls f. If it panics, that is its error, for a backend that does must not take
// the others with it.
func panicAsError(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v\n%s", value, debug.Stack())
		}
	}()
	return f()
}
