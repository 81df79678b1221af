//go:build linux

package bench

import (
	"net"
	"net/netip"
	"net/url"
	"os"
	"testing"
	"time"
)

func TestProcessOfAListener(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ network, listen, host string }{
		{"tcp4", "127.0.0.1:0", "127.0.0.1"},
		{"tcp4", "0.0.0.0:0", "127.0.0.1"},
		{"tcp", "[::]:0", "127.0.0.1"},
		{"tcp", "[::]:0", "localhost"},
		{"tcp6", "[::1]:0", "[::1]"},
	} {
		t.Run(c.listen+" by "+c.host, func(t *testing.T) {
			t.Parallel()
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), c.network, c.listen)
			if err != nil {
				t.Skipf("this machine cannot listen there: %v", err)
			}
			defer func() { _ = listener.Close() }()
			_, port, err := net.SplitHostPort(listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			u := &url.URL{Scheme: "http", Host: c.host + ":" + port}
			if pid, ok := findProcess(t.Context(), u); !ok || pid != os.Getpid() {
				t.Errorf("the process is %d, %v; want %d", pid, ok, os.Getpid())
			}
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
			if pid, ok := findProcess(t.Context(), u); ok {
				t.Errorf("process %d is found where nobody listens", pid)
			}
		})
	}
}

// A machine that is not this one has no process here, whatever listens on the port.
func TestProcessElsewhere(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if pid, ok := findProcess(t.Context(), &url.URL{Scheme: "http", Host: "192.0.2.1:" + port}); ok {
		t.Errorf("process %d serves another machine", pid)
	}
}

// A server at an IPv4 address is not the one at an IPv6 address with the same port.
func TestProcessOfTheOtherFamily(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if pid, ok := findProcess(t.Context(), &url.URL{Scheme: "http", Host: "[::1]:" + port}); ok {
		t.Errorf("process %d listens on IPv4 alone", pid)
	}
}

func TestListenerInode(t *testing.T) {
	t.Parallel()
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0200A8C0:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 00000000:1F93 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0
   4: 00000000:1F96 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 16 1 0 100 0 0 10 0
   5: 0200A8C0:1F96 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0 100 0 0 10 0
   6: 00000000000000000000000001000000:1F94 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0
`
	for name, c := range map[string]struct{ address, port, want string }{
		"listens":                     {"127.0.0.1", "8080", "11"},
		"is connected, no more":       {"127.0.0.1", "8081", ""},
		"listens at another":          {"127.0.0.1", "8082", ""},
		"listens there":               {"192.168.0.2", "8082", "13"},
		"listens everywhere":          {"192.168.0.2", "8083", "14"},
		"listens there and elsewhere": {"192.168.0.2", "8086", "17"},
		"listens on no such port":     {"127.0.0.1", "8085", ""},
		"listens at an IPv6 address":  {"::1", "8084", "15"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := listenerInode(table, netip.MustParseAddr(c.address), c.port)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("inode %q, %v; want %q", got, ok, c.want)
			}
		})
	}
}

func TestParseProcessCPU(t *testing.T) {
	t.Parallel()
	got, ok := parseProcessCPU([]byte("7 (a) b (c)) S 1 7 7 0 -1 4194304 1 2 3 4 150 27 8 9 20 0 5 0 100"))
	if want := 1770 * time.Millisecond; !ok || got != want {
		t.Errorf("%v, %v; want %v", got, ok, want)
	}
	for _, text := range []string{"", "7 (x", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 4194304 1 2 3 4 many 27"} {
		if got, ok := parseProcessCPU([]byte(text)); ok {
			t.Errorf("%q gives %v", text, got)
		}
	}
}

func TestProcessCPU(t *testing.T) {
	t.Parallel()
	if _, ok := processCPU(0); ok {
		t.Error("no process has used CPU")
	}
	before, ok := processCPU(os.Getpid())
	if !ok {
		t.Fatal("this process cannot be measured")
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		now, ok := processCPU(os.Getpid())
		if own, ownOK := ownCPU(); !ok || !ownOK || own < before {
			t.Fatalf("%v, %v; by itself %v, %v", now, ok, own, ownOK)
		}
		if now > before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("to work takes no CPU")
		}
	}
}
