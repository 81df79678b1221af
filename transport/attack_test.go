package transport_test

import (
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// What a server under attack still has to do. The machine may be busy with other things.
const (
	answeredWithin = 5 * time.Second // each call of another client
	maxAttackBytes = 48 << 20        // of memory, for one attacker
	maxUnreadBytes = 16 << 20        // for one that does not read
	maxLeftBytes   = 8 << 20         // once the attacker is gone
	maxAttackGoes  = 3 * maxStreams  // of goroutines, for one attacker
	maxLeftGoes    = 10
	attackBatch    = 200 // frames or pairs of them in one write
	manyResets     = 20_000
	manyFrames     = 200_000
)

// attack is an attack under way, measured.
type attack struct {
	t      *testing.T
	server *running
	before usage

	stop      chan struct{}
	bystander sync.WaitGroup
}

type usage struct {
	bytes      uint64
	goroutines int
}

// measure gives what the process uses once the garbage is gone.
func measure() usage {
	runtime.GC()
	runtime.GC() // what pools have kept
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return usage{bytes: stats.HeapAlloc + stats.StackInuse, goroutines: runtime.NumGoroutine()}
}

// besiege starts a server, and another client of it whose calls have to be answered in
// time until the end of the attack. Tests that call it do not run in parallel, because
// they measure the whole process.
func besiege(t *testing.T, changes ...func(*setup)) *attack {
	t.Helper()
	server := start(t, changes...)
	c := dial(t, server.address)
	c.wantAlive()
	c.must(c.conn.SetDeadline(time.Now().Add(10 * patience)))
	a := &attack{t: t, server: server, before: measure(), stop: make(chan struct{})}
	a.bystander.Go(func() { a.standBy(c) })
	t.Cleanup(a.bystander.Wait)
	t.Cleanup(sync.OnceFunc(func() { close(a.stop) }))
	return a
}

// standBy makes calls one after another.
func (a *attack) standBy(c *client) {
	var slowest time.Duration
	calls := 0
	ticker := time.NewTicker(time.Millisecond) // there are others to be served
	defer ticker.Stop()
	for ; ; calls++ {
		select {
		case <-a.stop:
			if slowest > answeredWithin {
				a.t.Errorf("another client made %d calls, one of which took %v", calls, slowest)
			}
			return
		case <-ticker.C:
		}
		begun := time.Now()
		stream := c.post("/v2/echo", "meanwhile")
		r := c.at(stream)
		for !r.ended && r.reset == nil {
			if err := c.readOne(); err != nil {
				a.t.Errorf("another client: %v", err)
				return
			}
		}
		if string(r.body) != "meanwhile" {
			a.t.Errorf("another client: %v", r)
			return
		}
		c.forget(stream)
		slowest = max(slowest, time.Since(begun))
	}
}

// forget keeps a client that makes many requests small.
func (c *client) forget(stream uint32) {
	delete(c.replies, stream)
	delete(c.windows.streams, stream)
	delete(c.granted.streams, stream)
}

// bounded checks what the server uses while the attackers are still connected.
func (a *attack) bounded(maxGoroutines int) {
	a.t.Helper()
	now := measure()
	bytes, goroutines := int64(now.bytes)-int64(a.before.bytes), now.goroutines-a.before.goroutines
	a.t.Logf("under attack: %d kB and %d goroutines more", bytes>>10, goroutines)
	if bytes > maxAttackBytes || goroutines > maxGoroutines {
		a.t.Errorf("under attack: %d bytes and %d goroutines more, want at most %d and %d",
			bytes, goroutines, maxAttackBytes, maxGoroutines)
	}
}

// over checks that everything is as before once the attackers are gone.
func (a *attack) over() {
	a.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		now := measure()
		bytes, goroutines := int64(now.bytes)-int64(a.before.bytes), now.goroutines-a.before.goroutines
		if bytes <= maxLeftBytes && goroutines <= maxLeftGoes {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("after the attack: %d bytes and %d goroutines more", bytes, goroutines)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// attacker is a client that keeps nothing of what it reads, and takes no error for a
// failure.
type attacker struct {
	*client
	reads    bool
	patience time.Duration // for a write
	ended    chan struct{} // closed when the server has closed the connection; never if nothing is read
}

// attacker connects. It reads what it is sent if that is wanted.
func (a *attack) attacker(reads bool, settings ...http2.Setting) *attacker {
	a.t.Helper()
	at := &attacker{
		client: dial(a.t, a.server.address, settings...),
		reads:  reads, patience: patience, ended: make(chan struct{}),
	}
	if !reads {
		at.patience = time.Second / 4 // it finds out late that it was cut
		return at
	}
	a.t.Cleanup(func() {
		_ = at.conn.Close()
		<-at.ended
	})
	go func() {
		defer close(at.ended)
		_, _ = io.Copy(io.Discard, at.conn)
	}()
	return at
}

// flood calls a function many times, whose frames are sent in batches. It reports whether
// the server has cut the connection, or has read nothing for patience, before all were sent.
func (at *attacker) flood(times int, write func()) (cut bool) {
	at.t.Helper()
	for sent := 0; sent < times; sent += attackBatch {
		if err := at.conn.SetWriteDeadline(time.Now().Add(at.patience)); err != nil {
			return true
		}
		at.holding = true
		for range attackBatch {
			write()
		}
		at.holding = false
		_, err := at.held.WriteTo(at.conn)
		at.held.Reset()
		switch {
		case err == nil:
		case isClosed(err), errors.Is(err, os.ErrDeadlineExceeded) && !at.reads:
			return true
		default:
			at.t.Errorf("the server neither reads nor closes the connection: %v", err)
			return false
		}
	}
	return false
}

// wantStopped makes sure that a flood was stopped by the server, which still may be
// reading the last of it.
func (at *attacker) wantStopped(cut bool) {
	at.t.Helper()
	if cut {
		return
	}
	select {
	case <-at.ended:
	case <-time.After(patience):
		at.t.Error("the server has let the attacker go on")
	}
}
