package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// stressPeer is a client that does at random all that a client may do, and looks whether
// the server keeps to the windows.
type stressPeer struct {
	*stressClient
	random *rand.Rand

	mu sync.Mutex
	// All below are guarded by mu, and so is writing.
	recv       map[uint32]int64 // what the server may send; 0 is the connection
	initial    int64            // that each stream begins with
	unacked    []int64          // changes of it
	send       map[uint32]int64 // what the client may send
	uploading  map[uint32]bool
	answered   map[uint32]bool
	serverInit int64
	over       error
}

func newStressPeer(t *testing.T, addr string, seed uint64) *stressPeer {
	return &stressPeer{
		stressClient: newStressClient(t, addr), random: rand.New(rand.NewPCG(seed, 7)),
		recv: map[uint32]int64{0: defaultWindowBytes}, initial: defaultWindowBytes,
		send: map[uint32]int64{0: defaultWindowBytes}, serverInit: defaultWindowBytes,
		uploading: make(map[uint32]bool), answered: make(map[uint32]bool), unacked: []int64{0},
	}
}

// read keeps the books until the connection ends.
func (p *stressPeer) read() error {
	for {
		frame, err := p.framer.ReadFrame()
		if err != nil {
			return err
		}
		if err := p.account(frame); err != nil {
			return err
		}
	}
}

func (p *stressPeer) account(frame http2.Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := frame.Header().StreamID
	switch frame := frame.(type) {
	case *http2.DataFrame:
		n := int64(frame.Length)
		p.recv[0] -= n
		if p.recv[0] < 0 {
			return fmt.Errorf("the window of the connection is exceeded by %d", -p.recv[0])
		}
		if _, open := p.recv[id]; open {
			if p.recv[id] -= n; p.recv[id] < 0 && n > 0 {
				return fmt.Errorf("the window of stream %d is exceeded by %d", id, -p.recv[id])
			}
		}
		if frame.StreamEnded() {
			delete(p.recv, id)
		}
	case *http2.HeadersFrame:
		p.answered[id] = true
		if frame.StreamEnded() {
			delete(p.recv, id)
		}
	case *http2.RSTStreamFrame:
		p.answered[id] = true
		delete(p.recv, id)
		delete(p.uploading, id)
	case *http2.WindowUpdateFrame:
		p.send[id] += int64(frame.Increment)
	case *http2.SettingsFrame:
		if frame.IsAck() {
			p.change(min(0, p.unacked[0]))
			p.unacked = p.unacked[1:]
			return nil
		}
		if value, ok := frame.Value(http2.SettingInitialWindowSize); ok {
			p.serverInit = int64(value)
		}
		return p.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if !frame.IsAck() {
			return p.framer.WritePing(true, frame.Data)
		}
	case *http2.GoAwayFrame:
		if frame.ErrCode != http2.ErrCodeNo {
			return fmt.Errorf("the server gives up: %v", frame.ErrCode)
		}
	}
	return nil
}

// change changes the windows of all streams.
func (p *stressPeer) change(by int64) {
	p.initial += by
	for id := range p.recv {
		if id != 0 {
			p.recv[id] += by
		}
	}
}

// act does something.
func (p *stressPeer) act() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := []string{"0", "1", "1000", "20000", "200000", "500000"}[p.random.IntN(6)]
	switch n := p.random.IntN(100); {
	case n < 40:
		path := []string{"/quick", "/slow", "/feed", "/refused", "/else"}[p.random.IntN(5)]
		end := p.random.IntN(2) == 0
		if path == "/feed" {
			size = "1"
		}
		id := p.nextID
		p.nextID += 2
		p.recv[id], p.send[id] = p.initial, p.serverInit
		p.uploading[id] = !end
		more := []string{"x-size", size}
		if !end && p.random.IntN(20) == 0 {
			more = append(more, "content-length", strconv.Itoa(2<<20)) // too long
		}
		return p.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: id, BlockFragment: p.fields(path, more...), EndStream: end, EndHeaders: true,
		})
	case n < 60:
		return p.upload()
	case n < 70:
		id := p.any()
		if id == 0 {
			return nil
		}
		delete(p.recv, id)
		delete(p.uploading, id)
		return p.framer.WriteRSTStream(id, http2.ErrCodeCancel)
	case n < 85:
		id, more := p.any(), int64(1+p.random.IntN(100_000))
		if p.random.IntN(2) == 0 {
			id = 0
		}
		p.recv[id] += more
		return p.framer.WriteWindowUpdate(id, uint32(more))
	case n < 87:
		by := int64(p.random.IntN(100_000)) - p.initial
		for _, queued := range p.unacked {
			by -= min(0, queued)
		}
		p.unacked = append(p.unacked, by)
		p.change(max(0, by))
		value := p.initial
		for _, queued := range p.unacked {
			value += min(0, queued)
		}
		return p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(value)})
	case n < 90:
		return p.framer.WritePing(false, [8]byte{1})
	}
	return nil
}

// upload sends a part of a body, or its end.
func (p *stressPeer) upload() error {
	for id, open := range p.uploading {
		if !open {
			continue
		}
		n := min(int64(p.random.IntN(20_000)), p.send[id], p.send[0], maxFrameBytes)
		p.send[id] -= n
		p.send[0] -= n
		end := p.random.IntN(3) == 0
		if end {
			delete(p.uploading, id)
		}
		if end && p.random.IntN(2) == 0 {
			p.send[id] += n
			p.send[0] += n
			p.block.Reset()
			_ = p.hpack.WriteField(stressTrailer)
			return p.framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: p.block.Bytes(), EndStream: true, EndHeaders: true,
			})
		}
		return p.framer.WriteData(id, end, make([]byte, n))
	}
	return nil
}

// any gives an open stream, or 0.
func (p *stressPeer) any() uint32 {
	for id := range p.recv {
		if id != 0 {
			return id
		}
	}
	return 0
}

// settle ends the uploads, and gives all windows that there can be.
func (p *stressPeer) settle() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for id := range p.uploading {
		errs = append(errs, p.framer.WriteRSTStream(id, http2.ErrCodeCancel))
		delete(p.recv, id)
	}
	clear(p.uploading)
	for id, window := range p.recv {
		more := uint32(1 << 29)
		p.recv[id] = window + int64(more)
		errs = append(errs, p.framer.WriteWindowUpdate(id, more))
	}
	return errors.Join(errs...)
}

// All at once: requests of all kinds, resets, windows up and down, wakes, and then the
// end. The books must be in order all the time, nothing may be forgotten, and no feed left.
func TestStressEverythingAtOnce(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"shutdown", "close", "clients close", "clients close their side"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			testStress(t, end)
		})
	}
}

func testStress(t *testing.T, end string) {
	t.Helper()
	handler := newStressHandler()
	handler.slow = func(ctx context.Context) {
		runtime.Gosched()
		switch rand.IntN(20) {
		case 0: // for longer than a call may that is alone
			<-time.After(2 * loneTimeout)
		case 1: // just as long
			<-time.After(loneTimeout)
		case 2: // until it is given up
			select {
			case <-ctx.Done():
			case <-time.After(10 * loneTimeout):
			}
		}
	}
	handler.next = func() ([]byte, error) {
		switch n := rand.IntN(200); {
		case n == 0:
			return nil, errors.New("it ends")
		case n < 50:
			return nil, nil
		default:
			return make([]byte, 10*n), nil
		}
	}
	server, addr := stressServer(t, handler, func(_ *http.Server, o *Options) { o.BodyTimeout = 400 * time.Millisecond })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var others sync.WaitGroup
	others.Go(func() {
		for ; ctx.Err() == nil; stressPause() {
			handler.wakeAll()
		}
	})
	others.Go(func() {
		for ; ctx.Err() == nil; stressPause() {
			server.mu.Lock()
			conns := make([]*conn, 0, len(server.conns))
			for c := range server.conns {
				conns = append(conns, c)
			}
			server.mu.Unlock()
			for _, c := range conns {
				if err := stressInvariants(c); err != nil {
					t.Error(err)
					stop()
				}
			}
		}
	})
	const peers, acts = 5, 1500
	all := make([]*stressPeer, peers)
	var readers, writers sync.WaitGroup
	var writing atomic.Bool
	writing.Store(true)
	for i := range all {
		p := newStressPeer(t, addr, uint64(i)+rand.Uint64())
		all[i] = p
		readers.Go(func() {
			if p.over = p.read(); ctx.Err() == nil && writing.Load() {
				t.Errorf("read: %v", p.over)
				_ = p.socket.Close()
			}
		})
		switch i {
		case 3:
			writers.Go(func() { stressWrites(ctx, t, acts, p.callAlone) })
			continue
		case 4:
			writers.Go(func() { stressWrites(ctx, t, acts/100, p.uploadByTurns) })
			continue
		}
		writers.Go(func() {
			for i := 0; i < acts && ctx.Err() == nil; i++ {
				if err := p.act(); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				if i%50 == 0 {
					stressPause()
				}
			}
		})
	}
	writers.Wait()
	writing.Store(false)
	if t.Failed() {
		stop()
		end = "close"
	}
	switch end {
	case "shutdown":
		for _, p := range all {
			if err := p.settle(); err != nil {
				t.Error(err)
			}
		}
		limited, cancel := context.WithTimeout(t.Context(), stressPatience)
		if err := server.Shutdown(limited); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		cancel()
	case "close":
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	case "clients close":
		for _, p := range all {
			_ = p.socket.Close()
		}
	case "clients close their side":
		for _, p := range all {
			if err := p.settle(); err != nil {
				t.Error(err)
			}
			if err := p.socket.CloseWrite(); err != nil {
				t.Error(err)
			}
		}
	}
	readers.Wait()
	for _, p := range all {
		if (end == "shutdown" || end == "clients close their side") && p.over.Error() != "EOF" {
			t.Errorf("the connection ended with %v", p.over)
		}
	}
	stressEventually(t, "no feed is left", func() bool { return handler.countFeeds() == 0 })
	stressEventually(t, "no connection is left", func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return len(server.conns) == 0
	})
	stop()
	others.Wait()
	_ = server.Close() // it may be closed already
	ended := make(chan struct{})
	go func() { server.running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(stressPatience):
		t.Error("a goroutine is left, or was counted twice")
	}
}
