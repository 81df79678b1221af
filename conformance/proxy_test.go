package conformance

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Behind the proxies that the guide has examples for, clients get what they get without, over
// all that they speak with them.
func TestReverseProxies(t *testing.T) {
	t.Parallel()
	needClients(t)
	for name, proxy := range reverseProxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := needProgram(t, proxy.program, proxy.install)
			example := proxy.example(t)
			overTransports(t, func(t *testing.T, over transportKind) {
				for _, f := range []front{
					{name: "HTTP1"}, {name: "HTTP2", http2: true}, {name: "TLS", certificate: newCertificate(t)},
				} {
					t.Run(f.name, func(t *testing.T) {
						t.Parallel()
						f.addr = freeAddr(t)
						server := serverOptions{transport: over, args: proxy.serverArgs(f)}.start(t)
						proxy.start(t, path, replaced(t, example, serverInDocs, server.addr), f)
						proxy.check(t, over, f)
						wantForwardedAddr(t, server, f)
					})
				}
			})
		})
	}
}

// start starts the program, which ends with the test.
func (p reverseProxy) start(t *testing.T, path, example string, f front) {
	t.Helper()
	folder := t.TempDir()
	config := filepath.Join(folder, "config")
	if err := os.WriteFile(config, []byte(p.config(t, example, folder, f)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, path, p.args(config, folder)...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = processPatience
	command.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	var log logBuffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait() // it was told to end, or the log says why it did
	}()
	t.Cleanup(func() {
		cancel()
		<-exited
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.program, &log)
		}
	})
	if err := awaitListener(t.Context(), f.addr, exited); err != nil {
		t.Fatalf("%s: %v\n%s", p.program, err, &log)
	}
}

// awaitListener waits until connections to the address are taken.
func awaitListener(ctx context.Context, addr string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, processPatience)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ticker.C:
		case <-exited:
			return errors.New("the program ended")
		case <-ctx.Done():
			return err
		}
	}
}

// check checks what is behind the front, with each kind of client that it takes.
func (p reverseProxy) check(t *testing.T, over transportKind, f front) {
	t.Helper()
	server := target{url: f.url(), knownDifferences: p.knownDifferences}
	if f.certificate != nil {
		server.authorityPath = f.certificate.authorityPath
		wantTranscript(t, server, "first")
		return
	}
	t.Run("cases", func(t *testing.T) {
		t.Parallel()
		var known []KnownDifference
		if !f.http2 {
			known = p.http1
		}
		runOverHTTP(t, httpClients[f.name](), f.url(), processToken, known)
	})
	if f.http2 && over == transportLoop { // it takes long, and the transports are behind the proxy
		t.Run("Deno", func(t *testing.T) {
			t.Parallel()
			command := suites(t)["Deno"]
			runClient(t, server, command[0], command[1:]...)
		})
	}
}

// wantForwardedAddr fails the test unless the server learns from the proxy where a client is:
// who guesses tokens is to be slowed down, and not everybody behind the proxy.
func wantForwardedAddr(t *testing.T, server *process, f front) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return // where 127.0.0.2 is no address of the machine
	}
	const guesser = "127.0.0.2"
	client := httpClients["HTTP1"]()
	switch {
	case f.certificate != nil:
		client = tlsClients["HTTP2"](f.certificate.trust())
	case f.http2:
		client = httpClients["HTTP2"]()
	}
	t.Cleanup(client.CloseIdleConnections)
	dialFrom(t, client, guesser)
	// Ten are answered at once, and one more in each second; all come within some seconds.
	const guesses = 40
	failed := make(chan error, guesses)
	for range guesses {
		go func() {
			reply, err := post(t.Context(), client, f.url(), http.Header{"Authorization": {"Bearer a-token-that-is-guessed"}}, nil)
			if err == nil && reply.status != http.StatusUnauthorized && reply.status != http.StatusTooManyRequests {
				err = reply.err()
			}
			failed <- err
		}()
	}
	for range guesses {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	server.awaitLogged(t, `"addr":"`+guesser+`"`)
}

// dialFrom has a client connect from an address of this machine.
func dialFrom(t *testing.T, client *http.Client, addr string) {
	t.Helper()
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the client has a %T", client.Transport)
	}
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}).DialContext
}
