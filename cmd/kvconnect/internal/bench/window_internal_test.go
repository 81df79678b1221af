package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// What began before the window does not count; what ends after it does.
func TestRecorder(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	w := window{start: at(0), end: at(10)}
	first, second := newRecorder(w), newRecorder(w)
	first.record(at(-5), at(5), 7, nil)
	first.record(at(-5), at(5), 7, errLate)
	first.record(at(0), at(2), 1, nil)
	first.record(at(2), at(3), 1, errors.New("a fault"))
	second.record(at(9), at(40), 1, nil)
	o := collect(w, []*recorder{first, second})
	if o.histogram.Count() != 2 || o.histogram.Max() != 31*time.Millisecond {
		t.Errorf("%d operations of at most %v", o.histogram.Count(), o.histogram.Max())
	}
	if o.errors.total() != 1 || o.errors["other"].First != "a fault" || o.conflicts != 3 || o.elapsed != 40*time.Millisecond {
		t.Errorf("%d errors, %d conflicts in %v", o.errors.total(), o.conflicts, o.elapsed)
	}
	if first.done.Load() != 1 || first.failed.Load() != 1 {
		t.Errorf("the progress is %d and %d", first.done.Load(), first.failed.Load())
	}
}

// A worker makes one operation that counts, however slow it is.
func TestSlowWorker(t *testing.T) {
	t.Parallel()
	w := newWindow(time.Millisecond, time.Millisecond)
	slow := newRecorder(w)
	work(t.Context(), w, time.Minute, []worker{slowWorker{}}, []*recorder{slow})
	if slow.done.Load() != 1 {
		t.Errorf("%d operations count", slow.done.Load())
	}
}

// slowWorker takes longer than the window of its test.
type slowWorker struct{}

func (slowWorker) operate(context.Context) (conflicts uint64, err error) {
	<-time.After(5 * time.Millisecond)
	return 0, nil
}

// frames gives a watch stream of states with these numbers, -1 for an empty frame.
func frames(t *testing.T, numbers ...int) (stream []byte) {
	t.Helper()
	for _, number := range numbers {
		var frame []byte
		if number >= 0 {
			frame = marshal(t, &datapath.WatchOutput{
				Status: datapath.SnapshotReadStatus_SR_SUCCESS,
				Keys: []*datapath.WatchKeyOutput{{Changed: true, EntryIfChanged: &datapath.KvEntry{
					Key: []byte("k"), Value: binary.LittleEndian.AppendUint64(nil, uint64(number)),
					Encoding: datapath.ValueEncoding_VE_BYTES, Versionstamp: make([]byte, 10),
				}}},
			})
		}
		stream = binary.LittleEndian.AppendUint32(stream, uint32(len(frame)))
		stream = append(stream, frame...)
	}
	return stream
}

// A watcher counts the write under way, once, however the stream is cut.
func TestWatcher(t *testing.T) {
	t.Parallel()
	for size := range 100 {
		fan := &fanOut{all: make(chan struct{}, 1), broken: make(chan struct{})}
		one := &watcher{fan: fan, recorder: newRecorder(window{}), seen: math.MaxUint64}
		other := &watcher{fan: fan, recorder: newRecorder(window{}), seen: math.MaxUint64}
		fan.begin(3, time.Now(), 2)
		for chunk := range slices.Chunk(frames(t, 2, -1, 3, 3, -1, 4), size+1) {
			one.take(chunk)
		}
		if fan.missing != 1 || one.recorder.done.Load() != 1 {
			t.Fatalf("cut after %d bytes: %d are missing, %d counted", size+1, fan.missing, one.recorder.done.Load())
		}
		other.take(frames(t, 3))
		if missing, err := fan.await(t.Context(), time.Hour); missing != 0 || err != nil {
			t.Fatalf("cut after %d bytes: %d are missing: %v", size+1, missing, err)
		}
	}
}

// The state that a watch begins with is no news.
func TestFirstStateIsNotCounted(t *testing.T) {
	t.Parallel()
	fan := &fanOut{all: make(chan struct{}, 1), broken: make(chan struct{})}
	one := &watcher{fan: fan, recorder: newRecorder(window{}), seen: math.MaxUint64}
	fan.begin(0, time.Time{}, 1)
	one.take(frames(t, 0))
	if missing, err := fan.await(t.Context(), time.Hour); missing != 0 || err != nil || one.recorder.done.Load() != 0 {
		t.Errorf("%d are missing, %v; %d count", missing, err, one.recorder.done.Load())
	}
}

func TestFanOutThatFails(t *testing.T) {
	t.Parallel()
	fault := errors.New("a fault")
	for name, c := range map[string]struct {
		end  func(fan *fanOut, one *watcher, cancel context.CancelCauseFunc)
		want error
	}{
		"a watch ends": {func(fan *fanOut, _ *watcher, _ context.CancelCauseFunc) {
			fan.fail(fault)
			fan.fail(errors.New("another"))
		}, fault},
		"the run ends":       {func(_ *fanOut, _ *watcher, cancel context.CancelCauseFunc) { cancel(fault) }, fault},
		"nobody sees it":     {func(*fanOut, *watcher, context.CancelCauseFunc) {}, errLate},
		"a frame is no news": {func(_ *fanOut, one *watcher, _ context.CancelCauseFunc) { one.take([]byte{1, 0, 0, 0, 0xff}) }, nil},
		"a frame is too long": {func(_ *fanOut, one *watcher, _ context.CancelCauseFunc) {
			one.take([]byte{0xff, 0xff, 0xff, 0xff})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fan := &fanOut{all: make(chan struct{}, 1), broken: make(chan struct{})}
			one := &watcher{fan: fan, recorder: newRecorder(window{})}
			fan.begin(1, time.Now(), 5)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			c.end(fan, one, cancel)
			missing, err := fan.await(ctx, 10*time.Millisecond)
			var wrong *wrongReplyError
			if missing != 5 || c.want != nil && !errors.Is(err, c.want) || c.want == nil && !errors.As(err, &wrong) {
				t.Errorf("%d are missing: %v", missing, err)
			}
		})
	}
}
