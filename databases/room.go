package databases

import (
	"fmt"
	"slices"
	"time"

	"github.com/kvconnect/kvconnect/protocol"
)

// warnInterval is how often the log is told at most that there is no room.
const warnInterval = time.Minute

// setLine sets who waits for room. The caller holds mu.
func (p *Pool) setLine(line []*opening) {
	p.line = line
	p.waiting.Store(int64(len(line)))
}

// removeFromLine takes an opening out of the line. The caller holds mu.
func (p *Pool) removeFromLine(o *opening) {
	if i := slices.Index(p.line, o); i >= 0 {
		p.setLine(slices.Delete(p.line, i, i+1))
	}
}

// giveRoom takes back the room of one database. The caller holds mu.
func (p *Pool) giveRoom() {
	p.room++
	p.makeRoom()
}

// makeRoom admits who is first in line, as far as there is room, and closes as many databases
// without loans as there are others in line. The caller holds mu.
func (p *Pool) makeRoom() {
	for p.room > 0 && len(p.line) > 0 {
		first := p.line[0]
		p.setLine(slices.Delete(p.line, 0, 1))
		p.room--
		p.admit(first)
	}
	for len(p.line) > p.making {
		d := p.endLeastRecentlyUsed()
		if d == nil {
			return
		}
		p.closeUnlent(d)
	}
}

// makeRoomOf closes a database that was released while others waited for room. They have
// found none without loans before.
func (p *Pool) makeRoomOf(d *openDatabase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.line) > p.making && d.endUnlent() {
		p.closeUnlent(d)
	}
}

// endLeastRecentlyUsed ends the loans of the database without any that was used the longest
// time ago. It gives nil if all are on loan. The caller holds mu.
func (p *Pool) endLeastRecentlyUsed() *openDatabase {
	for {
		var oldest *openDatabase
		for d := range p.allOpen {
			if d.count() == 0 && (oldest == nil || d.lastUse.Load() < oldest.lastUse.Load()) {
				oldest = d
			}
		}
		if oldest == nil || oldest.endUnlent() {
			return oldest
		}
		// It was lent just now.
	}
}

// closeUnlent closes a database whose loans endUnlent has ended. The caller holds mu.
func (p *Pool) closeUnlent(d *openDatabase) {
	c := newClosing()
	c.makesRoom = true
	p.making++
	p.closeDatabase(d, c)
}

// refuse gives the error for somebody who got no room in time, and tells the log now and
// then.
func (p *Pool) refuse() error {
	refused, warn := p.countRefused()
	if warn {
		p.options.Logger.Warn("all databases that may be open at once are in use, allow more with --max-open-databases",
			"max_open", p.options.MaxOpen, "refused", refused)
	}
	return fmt.Errorf("%w: all %d that may be open at once, allow more with --max-open-databases",
		protocol.ErrNoRoom, p.options.MaxOpen)
}

func (p *Pool) countRefused() (refused int, warn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
	refused = p.refused
	now := p.elapsed()
	if now-p.warnedAt < warnInterval {
		return refused, false
	}
	p.refused, p.warnedAt = 0, now
	return refused, true
}
