package bench

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"github.com/kvconnect/kvconnect/protocol"
)

// Server is a server to put load on.
type Server struct {
	// Name is what the report calls it.
	Name string
	// URL is that of the metadata exchange, as programs give it to Deno.openKv.
	URL         *url.URL
	AccessToken string
	// PID is the process to measure; 0 to look for the one that listens at the URL.
	PID int
}

// Options says what load to put on which servers.
type Options struct {
	// Servers are compared if they are several; ratios are to the first.
	Servers []Server
	// Workloads holds names from Workloads.
	Workloads []string

	// Duration is how long a workload is measured, in each round, after Warmup.
	Duration time.Duration
	Warmup   time.Duration
	Rounds   int
	// Timeout is how long a server may be silent.
	Timeout time.Duration

	// Concurrency is how many operations are under way at a time, over Connections
	// connections. HTTP/1.1 takes one connection for each.
	Concurrency int
	Connections int
	HTTP        httpconn.Version

	// Keys is the number of entries that are stored before, ValueBytes the length of
	// a value.
	Keys       int
	ValueBytes int
	// ReadShare is the share of reads in the mixed workload, from 0 to 1.
	ReadShare float64
	// ContendedKeys is how many keys the workers of the checks workload compete for.
	ContendedKeys int
	// Watchers is how many watches the workloads watches and fanout open, and
	// WatchedKeys how many keys those of fanout are spread over.
	Watchers    int
	WatchedKeys int
	// Seed makes the same random choices again.
	Seed uint64

	// Progress gets a line that is rewritten all the time; nil for none.
	Progress io.Writer
}

// maxFilledKeys keeps a slip of the finger from filling a disk.
const maxFilledKeys = 100_000_000

// maxAtOnce bounds the memory: each worker takes some 35 kB for its latencies.
const maxAtOnce = 20_000

// maxFanOutWatchers bounds it too. In fanout, no latencies are kept for each watch.
const maxFanOutWatchers = 1_000_000

// validate tells the first thing that is wrong, in the words of the command line.
func (o *Options) validate() error {
	for _, count := range []struct {
		flag       string
		value      int
		least, top int
	}{
		{"concurrency", o.Concurrency, 1, maxAtOnce},
		{"connections", o.Connections, 1, maxAtOnce},
		{"rounds", o.Rounds, 1, 1_000_000},
		{"keys", o.Keys, 1, maxFilledKeys},
		{"value-bytes", o.ValueBytes, 1, protocol.MaxValueBytes},
		{"contended-keys", o.ContendedKeys, 1, protocol.MaxReadEntries},
		{"watchers", o.Watchers, 1, maxFanOutWatchers},
		{"watched-keys", o.WatchedKeys, 1, max(1, o.Watchers)},
	} {
		if count.value < count.least || count.value > count.top {
			return fmt.Errorf("--%s %d: give a number from %d to %d", count.flag, count.value, count.least, count.top)
		}
	}
	switch {
	case len(o.Servers) == 0:
		return errors.New("no server: name one with --url")
	case o.Duration <= 0:
		return fmt.Errorf("--duration %v: give a time such as 5s", o.Duration)
	case o.Warmup < 0:
		return fmt.Errorf("--warmup %v: give a time such as 1s, or 0s", o.Warmup)
	case o.Timeout <= 0:
		return fmt.Errorf("--timeout %v: give a time such as 10s", o.Timeout)
	case o.ReadShare < 0 || o.ReadShare > 1 || math.IsNaN(o.ReadShare):
		return fmt.Errorf("--read-share %v: give a number from 0 to 1", o.ReadShare)
	case o.HTTP == httpconn.HTTP1 && o.Connections < o.Concurrency:
		return fmt.Errorf("--connections %d with --http 1.1: a connection carries one call at a time, so --concurrency %d needs as many",
			o.Connections, o.Concurrency)
	}
	return o.validateWorkloads()
}

func (o *Options) validateWorkloads() error {
	if len(o.Workloads) == 0 {
		return fmt.Errorf("--workload is empty: choose from %s", workloadList())
	}
	for i, name := range o.Workloads {
		w, ok := workloadNamed(name)
		switch {
		case !ok:
			return fmt.Errorf("--workload %s is not known: choose from %s", name, workloadList())
		case slices.Contains(o.Workloads[:i], name):
			return fmt.Errorf("--workload %s is named twice", name)
		case o.Keys < w.listEntries:
			return fmt.Errorf("--workload %s needs --keys %d or more", name, w.listEntries)
		case o.Watchers > maxAtOnce && name == "watches":
			return fmt.Errorf("--watchers %d: give at most %d with --workload watches; fanout takes more", o.Watchers, maxAtOnce)
		}
	}
	return nil
}
