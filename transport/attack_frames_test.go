package transport_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Frames that cost the server work and the client none are endured for a while at best.
func TestFloods(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	type flood struct {
		begin func(at *attacker) (stream uint32)
		write func(at *attacker, stream uint32)
		// mayGoOn tells that the frames are free enough to be endured for ever.
		mayGoOn bool
	}
	nothing := func(*attacker) uint32 { return 0 }
	slow := func(at *attacker) uint32 { return at.request(at.encodeLiteral(post("/v2/slow")...)) }
	upload := func(at *attacker) uint32 { return at.open(post("/v2/echo")...) }
	tests := map[string]flood{
		"SETTINGS": {nothing, func(at *attacker, _ uint32) { at.must(at.WriteSettings()) }, false},
		"SETTINGS of windows": {slow, func(at *attacker, _ uint32) {
			at.must(at.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: at.last % 1000}))
		}, false},
		"PING":                   {nothing, func(at *attacker, _ uint32) { at.must(at.WritePing(false, [8]byte{})) }, false},
		"answers to no PING":     {nothing, func(at *attacker, _ uint32) { at.must(at.WritePing(true, [8]byte{})) }, true},
		"empty DATA":             {upload, func(at *attacker, stream uint32) { at.must(at.WriteData(stream, false, nil)) }, false},
		"padding":                {upload, func(at *attacker, stream uint32) { at.must(at.WriteDataPadded(stream, false, nil, []byte{})) }, false},
		"WINDOW_UPDATE":          {nothing, func(at *attacker, _ uint32) { at.must(at.WriteWindowUpdate(0, 1)) }, true},
		"WINDOW_UPDATE of one":   {slow, func(at *attacker, stream uint32) { at.must(at.WriteWindowUpdate(stream, 1)) }, true},
		"PRIORITY":               {nothing, func(at *attacker, _ uint32) { at.must(at.WritePriority(1, http2.PriorityParam{StreamDep: 3})) }, true},
		"PRIORITY of many":       {nothing, func(at *attacker, _ uint32) { at.must(at.WritePriority(at.newStream(), http2.PriorityParam{})) }, true},
		"PRIORITY_UPDATE":        {nothing, func(at *attacker, _ uint32) { at.must(at.WritePriorityUpdate(at.newStream(), "u=1")) }, true},
		"unknown frames":         {nothing, func(at *attacker, _ uint32) { at.must(at.WriteRawFrame(0xfa, 0, 0, make([]byte, 100))) }, true},
		"resets of what is over": {slow, func(at *attacker, stream uint32) { at.cancel(stream) }, true},
		"GOAWAY":                 {nothing, func(at *attacker, _ uint32) { at.must(at.WriteGoAway(0, http2.ErrCodeNo, make([]byte, 100))) }, true},
		"malformed requests":     {nothing, func(at *attacker, _ uint32) { at.request(literal(":path", "/")) }, false},
		"HEADERS of what is over": {slow, func(at *attacker, stream uint32) {
			at.must(at.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true}))
		}, true},
		"DATA of what is over": {slow, func(at *attacker, stream uint32) { at.must(at.WriteData(stream, false, []byte("a"))) }, true},
		"requests that are refused": {nothing, func(at *attacker, _ uint32) {
			at.request(at.encodeLiteral(post("/v2/refused")...))
		}, true},
	}
	for name, test := range tests { //nolint:paralleltest // see TestRapidReset
		t.Run(name, func(t *testing.T) {
			a := besiege(t, func(s *setup) { s.options.BodyTimeout = time.Second })
			at := a.attacker(true)
			stream := test.begin(at)
			cut := at.flood(manyFrames, func() { test.write(at, stream) })
			if !test.mayGoOn {
				at.wantStopped(cut)
			}
			a.bounded(maxAttackGoes)
			_ = at.conn.Close()
			a.over()
		})
	}
}

// Who asks and does not read the answers is not asked to for long: the answers that wait
// for it are bounded, and then its time.
func TestNeverReads(t *testing.T) { //nolint:paralleltest // see TestRapidReset
	const large = 1<<31 - 1 - defaultWindow
	request := func(path string, fields ...string) func(at *attacker) func() {
		return func(at *attacker) func() {
			block := at.encodeLiteral(post(path, fields...)...)
			return func() { at.request(block) }
		}
	}
	tests := map[string]func(at *attacker) func(){
		"PING":          func(at *attacker) func() { return func() { at.must(at.WritePing(false, [8]byte{})) } },
		"empty replies": request("/v2/echo"),
		"other replies": request("/v2/patient"),
		"refusals":      request("/v2/refused"),
		"net/http":      request("/first"),
		"feeds":         request("/v2/feed", "x-quick", "1"),
		"large replies": func(at *attacker) func() {
			block := at.encodeLiteral(post("/v2/big")...)
			return func() {
				stream := at.newStream()
				at.must(at.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}))
				at.must(at.WriteData(stream, true, []byte("1000000")))
			}
		},
	}
	for name, prepare := range tests { //nolint:paralleltest // see TestRapidReset
		t.Run(name, func(t *testing.T) {
			a := besiege(t, func(s *setup) {
				s.http.HTTP2.MaxConcurrentStreams = 1 << 20
				s.options.WriteTimeout = time.Second / 4
			})
			at := a.attacker(false, http2.Setting{ID: http2.SettingInitialWindowSize, Val: large})
			at.must(at.WriteWindowUpdate(0, large))
			frames := prepare(at)
			watch := a.watch()
			at.flood(4*manyFrames, frames)
			allowed := int64(maxUnreadBytes)
			if name == "feeds" {
				allowed = maxAttackBytes // it has as many of them as its system takes replies for it
			}
			if most := watch(); most > allowed {
				t.Errorf("%d bytes were held at most, want at most %d", most, allowed)
			} else {
				t.Logf("%s: %d kB were held at most", name, most>>10)
			}
			if strings.Contains(name, "repl") {
				a.over() // while it is still connected, as it may think
			}
			_ = at.conn.Close()
			a.over()
		})
	}
}

// watch measures until the function that it gives is called, which tells how many bytes
// more than before the attack the process had at most.
func (a *attack) watch() (most func() int64) {
	stop, result := make(chan struct{}), make(chan int64)
	go func() {
		highest := int64(0)
		for {
			highest = max(highest, int64(measure().bytes)-int64(a.before.bytes))
			select {
			case <-stop:
				result <- highest
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-result
	}
}
