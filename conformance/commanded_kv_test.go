package conformance

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// programKv is a database that a program has open. Keys and values are strings.
type programKv struct {
	program *program
	number  int
}

func (kv *programKv) set(t *testing.T, key, value string) (versionstamp string, err error) {
	t.Helper()
	err = kv.program.ask(t, order{Op: "set", KV: kv.number, Key: key, Value: value}, nil, &versionstamp)
	return versionstamp, err
}

// mustSet is set, which must succeed.
func (kv *programKv) mustSet(t *testing.T, key, value string) (versionstamp string) {
	t.Helper()
	versionstamp, err := kv.set(t, key, value)
	if err != nil {
		t.Fatalf("set %s in %s: %v", key, kv.program.runtime, err)
	}
	return versionstamp
}

// fill sets a key to so many bytes.
func (kv *programKv) fill(t *testing.T, key string, bytes int) error {
	t.Helper()
	return kv.program.ask(t, order{Op: "fill", KV: kv.number, Key: key, Bytes: bytes}, nil, nil)
}

func (kv *programKv) delete(t *testing.T, key string) error {
	t.Helper()
	return kv.program.ask(t, order{Op: "delete", KV: kv.number, Key: key}, nil, nil)
}

// programEntry is what a key holds: the value is nil if it is absent.
type programEntry struct {
	Value        *string `json:"value"`
	Versionstamp string  `json:"versionstamp"`
}

func (kv *programKv) get(t *testing.T, key string) (entry programEntry, err error) {
	t.Helper()
	err = kv.program.ask(t, order{Op: "get", KV: kv.number, Key: key}, nil, &entry)
	return entry, err
}

// wantValue fails the test unless the key holds the value; "" stands for an absent key. It
// gives the versionstamp.
func (kv *programKv) wantValue(t *testing.T, key, want string) (versionstamp string) {
	t.Helper()
	entry, err := kv.get(t, key)
	if err != nil {
		t.Fatalf("get %s in %s: %v", key, kv.program.runtime, err)
	}
	got := ""
	if entry.Value != nil {
		got = *entry.Value
	}
	if got != want {
		t.Fatalf("%s holds %q, want %q", key, got, want)
	}
	return entry.Versionstamp
}

// running is a watch, or a worker that sets and gets without end.
type running struct {
	kv      *programKv
	id      int // of the command that began it
	changed chan struct{}

	mu      sync.Mutex
	value   string    // guarded by mu: the last one
	failure *string   // guarded by mu: why it ended
	endedAt time.Time // guarded by mu
}

func (r *running) take(line answerLine, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if line.Error != nil {
		r.failure, r.endedAt = line.Error, now
	} else {
		r.value = line.Value
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// watch begins to watch a key.
func (kv *programKv) watch(t *testing.T, key string) *running {
	t.Helper()
	return kv.begin(t, order{Op: "watch", Key: key})
}

// watchRaw begins to watch a key in the mode that leaves nothing out. In @deno/kv it is the
// only one whose reader is told of an error.
func (kv *programKv) watchRaw(t *testing.T, key string) *running {
	t.Helper()
	return kv.begin(t, order{Op: "watch", Key: key, Raw: true})
}

// work has the program set and get a key from now on, until something fails.
func (kv *programKv) work(t *testing.T, key string) *running {
	t.Helper()
	r := kv.begin(t, order{Op: "work", Key: key})
	r.awaitRounds(t, 1)
	return r
}

func (kv *programKv) begin(t *testing.T, o order) *running {
	t.Helper()
	o.KV = kv.number
	r := &running{kv: kv, changed: make(chan struct{}, 1)}
	if err := kv.program.ask(t, o, r, nil); err != nil {
		t.Fatalf("%s %s in %s: %v", o.Op, o.Key, kv.program.runtime, err)
	}
	return r
}

// await waits until there is news that fits. It must be called by one goroutine at a time.
func (r *running) await(t *testing.T, what string, fits func() bool) {
	t.Helper()
	timeout := time.After(processPatience)
	for {
		r.mu.Lock()
		fitting, value, failure := fits(), r.value, r.failure
		r.mu.Unlock()
		switch {
		case fitting:
			return
		case failure != nil:
			t.Fatalf("waited in %s for %s: it ended with %s", r.kv.program.runtime, what, *failure)
		}
		select {
		case <-r.changed:
		case <-r.kv.program.ended:
			t.Fatalf("waited in %s for %s: the program ended", r.kv.program.runtime, what)
		case <-timeout:
			t.Fatalf("waited in vain in %s for %s: the last news are %q", r.kv.program.runtime, what, value)
		}
	}
}

// awaitValue waits until a watch has told of a value, "" for none.
func (r *running) awaitValue(t *testing.T, want string) {
	t.Helper()
	r.await(t, "the value "+want, func() bool { return r.value == want })
}

// rounds is how many rounds a worker has made.
func (r *running) rounds() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := strconv.Atoi(r.value) // 0 before the first
	return n
}

// awaitRounds waits until a worker has made so many more rounds.
func (r *running) awaitRounds(t *testing.T, more int) {
	t.Helper()
	goal := r.rounds() + more
	r.await(t, strconv.Itoa(more)+" more rounds", func() bool {
		n, _ := strconv.Atoi(r.value)
		return n >= goal
	})
}

// awaitEnd waits until it ends, and gives when and why.
func (r *running) awaitEnd(t *testing.T) (endedAt time.Time, text string) {
	t.Helper()
	r.await(t, "the end", func() bool { return r.failure != nil })
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.endedAt, *r.failure
}

// rest ends a worker. It must not have failed before.
func (r *running) rest(t *testing.T) {
	t.Helper()
	if err := r.kv.program.ask(t, order{Op: "rest", KV: r.kv.number, Value: strconv.Itoa(r.id)}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, text := r.awaitEnd(t); !strings.HasSuffix(text, "rested") {
		t.Errorf("the worker in %s ended with %s", r.kv.program.runtime, text)
	}
}

// wantText fails the test unless an exception has all of the words in it.
func wantText(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no exception, want one with %q", what, words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the exception is %q, want %q in it", what, err, word)
		}
	}
}
