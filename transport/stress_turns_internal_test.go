package transport

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// stressWrites has a client do something again and again.
func stressWrites(ctx context.Context, t *testing.T, times int, do func(context.Context) error) {
	t.Helper()
	for range times {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("write: %v", err)
			return
		}
	}
}

// open begins a request, and gives the connection back a window for its reply.
func (p *stressPeer) open(path string, end bool, fields ...string) (id uint32, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const reply = 2000
	id = p.nextID
	p.nextID += 2
	p.recv[id], p.send[id] = p.initial, p.serverInit
	p.recv[0] += reply
	return id, errors.Join(p.framer.WriteWindowUpdate(0, reply), p.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: p.fields(path, fields...), EndStream: end, EndHeaders: true,
	}))
}

// await waits for the head of a reply.
func (p *stressPeer) await(ctx context.Context, id uint32) error {
	for deadline := time.Now().Add(stressPatience); ; <-time.After(50 * time.Microsecond) {
		p.mu.Lock()
		answered := p.answered[id]
		p.mu.Unlock()
		switch {
		case answered, ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("no reply to %d", id)
		}
	}
}

// callAlone makes a call and waits for the reply, as a program does that has one thing to do.
// Some do something else meanwhile.
func (p *stressPeer) callAlone(ctx context.Context) error {
	end := p.random.IntN(2) == 0
	id, err := p.open("/slow", end, "x-size", "1000")
	if err != nil {
		return err
	}
	p.mu.Lock()
	if !end {
		err = p.framer.WriteData(id, true, nil)
	}
	switch p.random.IntN(20) {
	case 0:
		delete(p.recv, id)
		p.answered[id] = true
		err = errors.Join(err, p.framer.WriteRSTStream(id, http2.ErrCodeCancel))
	case 1:
		err = errors.Join(err, p.framer.WritePing(false, [8]byte{2}))
	}
	p.mu.Unlock()
	if err == nil && p.random.IntN(20) == 0 {
		path := []string{"/quick", "/slow", "/else", "/feed"}[p.random.IntN(4)]
		_, err = p.open(path, true, "x-size", "1")
	}
	return errors.Join(err, p.await(ctx, id))
}

// uploadByTurns sends several large bodies, a part of each at a time.
func (p *stressPeer) uploadByTurns(ctx context.Context) error {
	const uploads, bytes = 100, 1 << 20
	left := make(map[uint32]int64)
	var ids []uint32
	for i := range uploads {
		fields := []string{"x-size", "1000"}
		if i%4 != 0 {
			fields = append(fields, "content-length", strconv.Itoa(bytes))
		}
		id, err := p.open("/slow", false, fields...)
		if err != nil {
			return err
		}
		ids = append(ids, id)
		left[id] = bytes
	}
	turns := 200 + p.random.IntN(400)
	for range turns {
		id := ids[p.random.IntN(len(ids))]
		if err := p.part(id, left); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := p.await(ctx, id); err != nil { // if only that it came too late
			return err
		}
	}
	return nil
}

// part sends a part of a body, as long as nobody has said that it is of no use.
func (p *stressPeer) part(id uint32, left map[uint32]int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answered[id] || left[id] == 0 {
		return nil
	}
	if p.random.IntN(300) == 0 {
		delete(p.recv, id)
		p.answered[id] = true
		return p.framer.WriteRSTStream(id, http2.ErrCodeCancel)
	}
	for range 64 {
		n := min(left[id], p.send[id], p.send[0], maxFrameBytes)
		if n <= 0 {
			return nil
		}
		p.send[id] -= n
		p.send[0] -= n
		left[id] -= n
		if err := p.framer.WriteData(id, left[id] == 0, make([]byte, n)); err != nil {
			return err
		}
	}
	return nil
}
