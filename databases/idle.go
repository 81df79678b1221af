package databases

import "time"

// closeIdle closes databases that were not used for the IdleTimeout, until the pool is
// closed. Between, it sleeps until the next may be due.
func (p *Pool) closeIdle() {
	for {
		next, some := p.closeDue()
		var fired <-chan time.Time
		opened := p.opened
		stop := func() bool { return false }
		if some {
			fired, stop = p.options.Clock.NewTimerAt(p.began.Add(next))
			opened = nil // what is opened while it sleeps is not due before it wakes
		}
		select {
		case <-p.stopIdling:
			stop()
			return
		case <-fired:
		case <-opened:
		}
	}
}

// closeDue closes what is due and gives the time, on the pool's watch, before which nothing
// else will be. If nothing is open, there is none.
func (p *Pool) closeDue() (next time.Duration, some bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, timeout := p.elapsed(), p.options.IdleTimeout
	next = now + timeout // no sooner for what is on loan, or is lent from now on
	for d := range p.allOpen {
		due := time.Duration(d.lastUse.Load()) + timeout
		if due <= now && d.endUnlent() {
			p.closeUnlent(d)
			continue
		}
		some = true
		if due > now {
			next = min(next, due)
		}
	}
	return next, some
}
