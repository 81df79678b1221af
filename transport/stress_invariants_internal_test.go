package transport

import (
	"errors"
	"fmt"
)

// stressInvariants tells what is wrong with the books of a connection, which every holder
// of mu leaves in order. What it recomputes are the counters and the lists.
func stressInvariants(c *conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var unanswered, uploads, foreign, discards int
	var unsent, held, promised int64
	for id, s := range c.streams {
		if s.closed || s.id != id {
			return fmt.Errorf("stream %d is closed or has another id", id)
		}
		if !s.replied {
			unanswered++
		}
		if s.foreign {
			foreign++
		}
		if s.discards {
			discards++
		}
		if r := s.request; r != nil {
			held += r.heldBytes
			promised += r.promisedBytes
			if !s.remoteEnded {
				uploads++
			}
		}
		unsent += int64(len(s.rest))
	}
	w := &c.windows
	for _, book := range []struct {
		name      string
		got, want int64
	}{
		{"unanswered", int64(c.unanswered), int64(unanswered)},
		{"foreign", int64(c.foreign), int64(foreign)},
		{"discards", int64(c.discards), int64(discards)},
		{"uploads", int64(c.uploads), int64(uploads)},
		{"unsentBytes", c.out.unsentBytes, unsent},
		{"heldBytes", w.heldBytes, held},
		{"promisedBytes", w.promisedBytes, promised},
		{"receiveBytes + creditBytes + withheldBytes", w.receiveBytes + w.creditBytes + w.withheldBytes, receiveWindowBytes},
	} {
		if book.got != book.want {
			return fmt.Errorf("%s is %d, should be %d", book.name, book.got, book.want)
		}
	}
	if w.withheldBytes > w.heldBytes {
		return fmt.Errorf("%d bytes are withheld, %d held", w.withheldBytes, w.heldBytes)
	}
	return errors.Join(stressTurns(c), stressLists(c))
}

// stressTurns tells what is wrong with the bodies that must wait. The caller holds mu.
func stressTurns(c *conn) error {
	w := &c.windows
	if w.ahead != nil && !stressIsUpload(w.ahead) {
		return fmt.Errorf("stream %d is ahead, though it has no body to come", w.ahead.id)
	}
	if !w.awaiting.isEmpty() && w.ahead == nil && c.stage != stageClosed && !c.inputEnded {
		return fmt.Errorf("bodies wait for nobody")
	}
	for id, s := range c.streams {
		awaits := s.request != nil && s.request.awaitedBytes > 0
		if awaits != (s.list == &w.awaiting) || awaits && !stressIsUpload(s) {
			return fmt.Errorf("stream %d waits for its turn: %t, and is in the list: %t", id, awaits, s.list == &w.awaiting)
		}
	}
	return nil
}

// stressIsUpload tells whether the body of a call is still arriving.
func stressIsUpload(s *stream) bool {
	return !s.closed && s.request != nil && s.request.call != nil && !s.remoteEnded
}

// stressLists tells what is wrong with the lists. The caller holds mu.
func stressLists(c *conn) error {
	in := make(map[*stream]string)
	for name, list := range map[string]*streamList{
		"ready": &c.out.ready, "held": &c.out.held, "toTell": &c.toTell, "waiting": &c.work.waiting,
		"awaiting": &c.windows.awaiting,
	} {
		var last *stream
		for s := list.first; s != nil; s = s.next {
			if in[s] != "" || s.list != list || s.closed || s.previous != last {
				return fmt.Errorf("stream %d is in %s and in %q, closed: %t", s.id, name, in[s], s.closed)
			}
			in[s], last = name, s
		}
		if list.last != last {
			return fmt.Errorf("the end of %s is lost", name)
		}
	}
	if c.stage == stageClosed || c.out.broken {
		return nil
	}
	if in := !c.toTell.isEmpty(); in && !c.telling {
		return fmt.Errorf("nobody tells the feeds")
	}
	if !c.work.waiting.isEmpty() && c.work.workers == 0 {
		return fmt.Errorf("nobody serves the calls")
	}
	if !c.out.held.isEmpty() && c.out.unsentBytes <= maxUnsentBytes && !c.windowIsScarce() && !c.out.busy() {
		return fmt.Errorf("feeds are held for no reason")
	}
	for _, s := range c.streams {
		if (s.list != nil) != (in[s] != "") {
			return fmt.Errorf("stream %d is in %q, and in a list: %t", s.id, in[s], s.list != nil)
		}
		if s.list != nil || s.asked {
			continue
		}
		switch {
		case len(s.rest) > 0 && s.sendWindowBytes > 0:
			return fmt.Errorf("the rest of stream %d is forgotten", s.id)
		case s.last && s.replied && len(s.rest) == 0 && !s.discards:
			return fmt.Errorf("the end of stream %d is forgotten", s.id)
		case s.feed != nil && s.woken && len(s.rest) == 0 && s.sendWindowBytes > 0:
			return fmt.Errorf("the news of stream %d is forgotten", s.id)
		}
	}
	return nil
}
