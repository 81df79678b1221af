package databases

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// closing is a database that is being closed, or that will be once it has been opened.
type closing struct {
	inTurn    bool // it waits until few others are being closed
	makesRoom bool // it is one of Pool.making
	awaited   int  // guarded by Pool.mu: how many return err; the log gets it if there is none

	done chan struct{} // closed, with Pool.mu held, once err is set
	err  error
}

func newClosing() *closing { return &closing{inTurn: true, done: make(chan struct{})} }

// Forget closes the database at once, although it may be on loan, and returns when that is
// done: requests under way are waited for, what else its borrowers do fails with
// protocol.ErrClosed. A Lend after that asks Options.Open again, which is told beforehand if
// the database is gone for good; a Lend at the same time does so after the database is closed,
// but for one that had it before.
//
// It gives the error of closing, nil if the database was not open, or the error of ctx; the
// database is closed all the same.
func (p *Pool) Forget(ctx context.Context, id uuid.UUID) error {
	c := p.forget(id)
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-c.done:
		return c.err
	default:
		c.awaited--
		return ctx.Err()
	}
}

// forget gives what to wait for; nil for nothing.
func (p *Pool) forget(id uuid.UUID) *closing {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.closings[id]
	if d := p.lookup(id); d != nil {
		d.end()
		c = newClosing()
		c.inTurn = false
		p.closeDatabase(d, c)
	} else if o := p.openings[id]; o != nil && o.cancel != nil {
		// It comes after a closing that there may be, and one in line comes after this call.
		if o.end == nil {
			o.end = newClosing()
			o.end.inTurn = false
			o.cancel()
		}
		c = o.end
	}
	if c != nil {
		c.awaited++
	}
	return c
}

// closeDatabase has a database closed that is not lent any more. The caller holds mu.
func (p *Pool) closeDatabase(d *openDatabase, c *closing) {
	p.open.Delete(d.id)
	p.closings[d.id] = c
	if p.isClosed {
		p.awaitAtClose(c)
	}
	p.goroutines.Go(func() {
		err := p.closeBackend(d, c.inTurn)
		if p.finishClosing(d, c, err) && err != nil {
			p.options.Logger.Error("a database was not closed in order", "database_id", d.id.String(), "error", err)
		}
	})
}

// closeBackend calls Close, in its turn if it has to.
func (p *Pool) closeBackend(d *openDatabase, inTurn bool) error {
	if inTurn {
		p.closingTurns <- struct{}{}
		defer func() { <-p.closingTurns }()
	}
	if err := panicAsError(d.backend.Close); err != nil {
		return fmt.Errorf("close database %s: %w", d.id, err)
	}
	return nil
}

// finishClosing tells those who wait for it. If there are none, it reports that the log is to
// be told.
func (p *Pool) finishClosing(d *openDatabase, c *closing, err error) (log bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.closings, d.id)
	if c.makesRoom {
		p.making--
	}
	c.err = err
	close(c.done)
	p.giveRoom()
	return c.awaited == 0
}

// awaitAtClose has Close return the error of a closing. The caller holds mu.
func (p *Pool) awaitAtClose(c *closing) {
	c.awaited++
	p.atClose = append(p.atClose, c)
}
