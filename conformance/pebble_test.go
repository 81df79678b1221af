package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

var pebblePath = flag.String("pebble", "", "the program pebble that TestACME runs; the one on PATH otherwise")

// pebble is a certificate authority for tests, which asks a server for proof as others do, but
// for the ports. For it, every domain is on 127.0.0.1.
type pebble struct {
	directoryURL  string
	authorityPath string // of the certificate that the directory itself is trusted by
	managementURL string
	client        *http.Client
	stop          func()
}

// startPebble starts an authority that ends with the test, or when it is stopped. It looks for
// the answers to its challenges at the two addresses, of which it takes the ports.
func startPebble(t *testing.T, tlsAddr, httpAddr string) *pebble {
	t.Helper()
	if testing.Short() {
		t.Skip("needs pebble")
	}
	program := *pebblePath
	if program == "" {
		found, err := exec.LookPath("pebble")
		if err != nil {
			t.Skip("pebble is not on PATH; make acme fetches and runs it")
		}
		program = found
	}
	own := newCertificate(t)
	addr, managementAddr := freeAddr(t), freeAddr(t)
	path := filepath.Join(t.TempDir(), "pebble.json")
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addr, "managementListenAddress": managementAddr,
		"certificate": own.certPath, "privateKey": own.keyPath,
		"tlsPort": portOf(t, tlsAddr), "httpPort": portOf(t, httpAddr),
	}})
	if err == nil {
		err = os.WriteFile(path, config, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, program, "-config", path, "-dnsserver", startLocalDNS(t))
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = processPatience
	command.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
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
	p := &pebble{
		directoryURL: "https://" + addr + "/dir", authorityPath: own.authorityPath, managementURL: "https://" + managementAddr,
		client: tlsClients["HTTP1"](own.trust()),
		stop: func() {
			cancel()
			<-exited
		},
	}
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		p.stop()
		if t.Failed() {
			t.Logf("log of pebble:\n%s", &log)
		}
	})
	for _, listens := range []string{addr, managementAddr} {
		if err := awaitListener(t.Context(), listens, exited); err != nil {
			t.Fatalf("pebble: %v\n%s", err, &log)
		}
	}
	return p
}

// trust gives the configuration of a client of a domain that trusts the authority. Each start
// makes another one.
func (p *pebble) trust(t *testing.T, domain string) *tls.Config {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.managementURL+"/roots/0", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := p.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	data, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		t.Fatalf("the root of pebble is %q", data)
	}
	return &tls.Config{RootCAs: roots, ServerName: domain, MinVersion: tls.VersionTLS12}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startLocalDNS starts a server that knows every name to be 127.0.0.1, and is asked over TCP.
func startLocalDNS(t *testing.T) (addr string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = answerDNS(conn) // pebble says what it does not understand
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// answerDNS answers to what is asked on a connection, until that ends. Each message has its
// length before it.
func answerDNS(conn net.Conn) error {
	for {
		if err := conn.SetDeadline(time.Now().Add(processPatience)); err != nil {
			return err
		}
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return err
		}
		asked := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, asked); err != nil {
			return err
		}
		var message dnsmessage.Message
		if err := message.Unpack(asked); err != nil {
			return err
		}
		message.Response, message.Additionals = true, nil
		for _, question := range message.Questions {
			if question.Type == dnsmessage.TypeA {
				message.Answers = append(message.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class},
					Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				})
			}
		}
		answer, err := message.AppendPack(make([]byte, len(length)))
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint16(answer, uint16(len(answer)-len(length)))
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}
