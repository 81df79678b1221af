package bench

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress rewrites a line on a terminal to tell what is going on. A nil *progress
// tells nothing.
type progress struct {
	out   io.Writer
	stop  chan struct{}
	ended sync.WaitGroup

	mu        sync.Mutex // guards what follows
	label     string
	since     time.Time
	recorders []*recorder
}

const progressInterval = 200 * time.Millisecond

// clearLine goes back to the start of the line and erases it. A line that is longer than
// the terminal is wide is cut, as what has gone on to a second one stays.
const (
	clearLine = "\r\x1b[K"
	cutLine   = "\x1b[?7l"
	wrapLines = "\x1b[?7h"
)

// newProgress begins to tell. The caller calls finish.
func newProgress(out io.Writer) *progress {
	if out == nil {
		return nil
	}
	p := &progress{out: out, stop: make(chan struct{})}
	p.ended.Go(func() {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.print()
			case <-p.stop:
				return
			}
		}
	})
	return p
}

// say sets what the line begins with.
func (p *progress) say(format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.label, p.recorders, p.since = fmt.Sprintf(format, args...), nil, time.Now()
	p.mu.Unlock()
	p.print()
}

// follow has the line tell what recorders count.
func (p *progress) follow(recorders []*recorder) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recorders = recorders
	p.since = recorders[0].window.start
}

func (p *progress) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.label
	elapsed := time.Since(p.since)
	switch {
	case p.recorders == nil:
	case elapsed <= 0:
		line += "  warming up"
	default:
		var done, failed uint64
		for _, r := range p.recorders {
			done += r.done.Load()
			failed += r.failed.Load()
		}
		line += fmt.Sprintf("  %.1f s  %s operations/s", elapsed.Seconds(), grouped(float64(done)/elapsed.Seconds()))
		if failed > 0 {
			line += fmt.Sprintf("  %d errors", failed)
		}
	}
	_, _ = io.WriteString(p.out, clearLine+cutLine+line+wrapLines) // who cannot be told is not told
}

// finish takes the line away.
func (p *progress) finish() {
	if p == nil {
		return
	}
	close(p.stop)
	p.ended.Wait()
	_, _ = io.WriteString(p.out, clearLine)
}
