package service_test

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Skipf("there are no such sockets: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	told := func() string {
		t.Helper()
		datagram := make([]byte, 4096)
		n, err := conn.Read(datagram)
		if err != nil {
			t.Fatal(err)
		}
		return string(datagram[:n])
	}

	options := fileOptions(filepath.Join(t.TempDir(), "kv.sqlite"))
	options.NotifySocket = socket
	s := start(t, options)
	addr := strings.TrimPrefix(s.url, "http://")
	if got, want := told(), "READY=1\nSTATUS=serving "+addr; got != want {
		t.Errorf("at the start, %q was told, want %q", got, want)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if got, want := told(), "STOPPING=1\nSTATUS=draining"; got != want {
		t.Errorf("at the end, %q was told, want %q", got, want)
	}
}

func TestServesWhereTheServiceManagerCannotBeTold(t *testing.T) {
	t.Parallel()
	options := fileOptions(filepath.Join(t.TempDir(), "kv.sqlite"))
	options.NotifySocket = filepath.Join(t.TempDir(), "nobody")
	s := start(t, options)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if got := strings.Count(s.log.String(), "the service manager could not be told"); got != 2 {
		t.Errorf("the log says %d times, want 2, that nobody hears:\n%s", got, s.log)
	}
}
