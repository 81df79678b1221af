package databases

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
)

const (
	// maxOpeningsAtOnce and maxClosingsAtOnce bound the load on the disk, for the sake of the
	// databases that are open. Forget does not wait for others.
	maxOpeningsAtOnce = 4
	maxClosingsAtOnce = 4
)

// Pool lends databases, see kvconnect.Databases. It is safe for concurrent use.
type Pool struct {
	options Options
	began   time.Time

	// open has the *openDatabase of each uuid.UUID that is lent without waiting. It is
	// changed by who holds mu, and read by everybody.
	open sync.Map
	// waiting is len(line), for those who do not hold mu.
	waiting atomic.Int64

	mu       sync.Mutex
	isClosed bool                   // guarded by mu, and so are all below
	openings map[uuid.UUID]*opening // one for each database that was asked for and is not open
	closings map[uuid.UUID]*closing // one for each that is being closed
	line     []*opening             // those that wait for room, in order
	room     int                    // how many more may be open
	making   int                    // closings without loans: room that will be there in a moment
	refused  int                    // how many got no room since the log was told
	warnedAt time.Duration          // when the log was told, on the pool's watch
	atClose  []*closing             // whose errors Close gives

	openingTurns chan struct{} // holds one value for each Open under way
	closingTurns chan struct{} // the same for Close
	opened       chan struct{} // has room for one value: there is a database that can become idle
	stopIdling   chan struct{} // closed by Close
	goroutines   sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

var _ kvconnect.Databases = (*Pool)(nil)

// Open gives a Pool in which no database is open. Close must be called in the end.
func Open(options Options) *Pool {
	options = options.withDefaults()
	p := &Pool{
		options:      options,
		began:        options.Clock.Now(),
		openings:     make(map[uuid.UUID]*opening),
		closings:     make(map[uuid.UUID]*closing),
		room:         options.MaxOpen,
		warnedAt:     -warnInterval,
		openingTurns: make(chan struct{}, maxOpeningsAtOnce),
		closingTurns: make(chan struct{}, maxClosingsAtOnce),
		opened:       make(chan struct{}, 1),
		stopIdling:   make(chan struct{}),
	}
	p.goroutines.Go(p.closeIdle)
	return p
}

// elapsed is the time on the watch of the pool, which does not follow when the clock of the
// machine is set.
func (p *Pool) elapsed() time.Duration { return p.options.Clock.Now().Sub(p.began) }

// Lend gives the database until it is released, and opens it if it is not open; all who ask
// for it meanwhile wait for the same opening. It fails with
//   - the error of Options.Open, among them protocol.ErrUnknownDatabase, which the next Lend
//     tries again;
//   - protocol.ErrNoRoom if all MaxOpen databases were on loan for the WaitTimeout;
//   - protocol.ErrClosed after Close;
//   - the error of ctx.
func (p *Pool) Lend(ctx context.Context, id uuid.UUID) (kvconnect.Database, error) {
	if d := p.lendOpen(id); d != nil {
		return d, nil
	}
	for {
		d, err := p.lendCold(ctx, id)
		switch {
		case err == nil:
			return d, nil
		case !errors.Is(err, errForgotten):
			return nil, err
		}
	}
}

// IsOpen tells whether Lend gives the database without waiting for anything. It counts as a
// use: the database will not be the next to be closed, unless the others are on loan.
func (p *Pool) IsOpen(id uuid.UUID) bool {
	d := p.lookup(id)
	if d == nil || !d.isLendable() {
		return false
	}
	d.touch()
	return true
}

// Check fails with the error of Options.Check, or with protocol.ErrClosed after Close.
func (p *Pool) Check(ctx context.Context) error {
	p.mu.Lock()
	closed := p.isClosed
	p.mu.Unlock()
	if closed {
		return protocol.ErrClosed
	}
	return p.options.Check(ctx)
}

// lookup gives the database if it is open, or else nil.
func (p *Pool) lookup(id uuid.UUID) *openDatabase {
	value, found := p.open.Load(id)
	if !found {
		return nil
	}
	d, _ := value.(*openDatabase) // there is nothing else in it
	return d
}

// lendOpen lends the database if it is open, or else gives nil.
func (p *Pool) lendOpen(id uuid.UUID) *openDatabase {
	if d := p.lookup(id); d != nil && d.lend() {
		return d
	}
	return nil
}

// allOpen goes through the databases that are open until it is stopped.
func (p *Pool) allOpen(yield func(*openDatabase) bool) {
	p.open.Range(func(_, value any) bool {
		d, _ := value.(*openDatabase)
		return yield(d)
	})
}

// Close closes all databases, those on loan included, and waits for that and for what else is
// under way. It gives the errors of closing them. A further call gives the result of the
// first.
func (p *Pool) Close() error {
	p.closeOnce.Do(func() {
		p.beginToClose()
		p.goroutines.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		errs := make([]error, 0, len(p.atClose))
		for _, c := range p.atClose {
			errs = append(errs, c.err)
		}
		p.closeErr = errors.Join(errs...)
	})
	return p.closeErr
}

func (p *Pool) beginToClose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isClosed = true
	close(p.stopIdling)
	for _, c := range p.closings {
		p.awaitAtClose(c)
	}
	for _, o := range p.line {
		p.endOpening(o, nil, protocol.ErrClosed)
	}
	p.setLine(nil)
	for _, o := range p.openings {
		o.cancel()
	}
	for d := range p.allOpen {
		d.end()
		p.closeDatabase(d, newClosing())
	}
}
