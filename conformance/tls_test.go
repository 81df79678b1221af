package conformance

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// tlsClients gives a client for each way to speak over TLS, which is agreed on by ALPN.
var tlsClients = map[string]func(*tls.Config) *http.Client{
	"HTTP1": func(trust *tls.Config) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone()}}
	},
	"HTTP2": func(trust *tls.Config) *http.Client {
		var protocols http.Protocols
		protocols.SetHTTP2(true)
		return &http.Client{Transport: &http.Transport{TLSClientConfig: trust.Clone(), Protocols: &protocols}}
	},
}

// Over TLS clients get what they get without, real ones that are told whom to trust among them.
func TestTLS(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, func(t *testing.T, over transportKind) {
		server := serverOptions{transport: over, certificate: newCertificate(t)}.start(t)
		for name, newClient := range tlsClients {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runOverHTTP(t, newClient(server.certificate.trust()), server.url, processToken, nil)
			})
		}
		t.Run("clients", func(t *testing.T) {
			t.Parallel()
			runSuites(t, server.target())
		})
	})
}

// What is no TLS, or too old, is refused, and that is not worth more than a line for who debugs.
func TestTLSRefusals(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts servers")
	}
	overTransports(t, func(t *testing.T, over transportKind) {
		server := serverOptions{transport: over, certificate: newCertificate(t)}.start(t)
		trust := server.certificate.trust()
		trust.MinVersion, trust.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if conn, err := dialTLS(t.Context(), server.addr, trust); err == nil {
			_ = conn.Close()
			t.Error("TLS 1.1 is taken")
		}
		if conn, err := dialTLS(t.Context(), server.addr, &tls.Config{MinVersion: tls.VersionTLS12}); err == nil {
			_ = conn.Close()
			t.Error("the certificate is trusted by who was not told to")
		}
		plain := httpClients["HTTP1"]()
		t.Cleanup(plain.CloseIdleConnections)
		reply, err := post(t.Context(), plain, "http://"+server.addr, nil, nil)
		if err != nil || reply.status != http.StatusBadRequest || !strings.Contains(strings.ToLower(string(reply.body)), "https") {
			t.Errorf("without TLS: %d %q, %v", reply.status, reply.body, err)
		}
		server.stop(t)
		if log := server.stderr.String(); strings.Contains(log, `"level":"WARN"`) {
			t.Errorf("it logged %s", log)
		}
	})
}

// A renewed certificate is taken while programs go on with what they do: no connection is lost,
// new ones get the new certificate, and sessions are resumed over it.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	needClients(t)
	overTransports(t, func(t *testing.T, over transportKind) {
		server := serverOptions{transport: over, certificate: newCertificate(t)}.start(t)
		trust := server.certificate.trust()
		trust.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for _, want := range []bool{false, true} {
			if resumed := handshake(t, server.addr, trust).DidResume; resumed != want {
				t.Errorf("the session is resumed: %t, want %t", resumed, want)
			}
		}
		client := tlsClients["HTTP2"](server.certificate.trust())
		t.Cleanup(client.CloseIdleConnections)
		db, err := openHTTP(t.Context(), client, server.url, processToken)
		if err != nil {
			t.Fatal(err)
		}
		watches := make(map[string]*running)
		for _, runtime := range []clientRuntime{runtimeDeno, runtimeNode} {
			kv := startProgram(t, runtime, trustingEnv(server.certificate.authorityPath)...).open(t, server.url, processToken)
			key := string(runtime) // Node cannot read all that Deno writes
			kv.mustSet(t, key, "before")
			watches[key] = kv.watchRaw(t, key)
			watches[key].awaitValue(t, "before")
		}
		serial := server.certificate.renew(t)
		server.reload(t)
		if got := handshake(t, server.addr, server.certificate.trust()).PeerCertificates[0].SerialNumber.Int64(); got != serial {
			t.Errorf("a new connection gets the certificate %d, want %d", got, serial)
		}
		if !handshake(t, server.addr, trust).DidResume {
			t.Error("the session is not resumed")
		}
		for key, watch := range watches {
			watch.kv.mustSet(t, key, "after")
			watch.awaitValue(t, "after")
		}
		var conn httptrace.GotConnInfo
		traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { conn = info }})
		if err := db.call(traced, "snapshot_read", readOfKey([]byte("key")), &datapath.SnapshotReadOutput{}); err != nil || !conn.Reused {
			t.Errorf("a read on the connection from before: %v, the same one: %t", err, conn.Reused)
		}
	})
}

// dialTLS makes a handshake.
func dialTLS(ctx context.Context, addr string, trust *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, processPatience)
	defer cancel()
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: trust}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T", conn)
	}
	return secure, nil
}

// handshake gives what was agreed on in a handshake, and asks for something over it, so that
// the ticket for the next one arrives.
func handshake(t *testing.T, addr string, trust *tls.Config) tls.ConnectionState {
	t.Helper()
	conn, err := dialTLS(t.Context(), addr, trust)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(processPatience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", addr); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState()
}

// reload has the server read the files of its certificate, and waits until it has.
func (p *process) reload(t *testing.T) {
	t.Helper()
	const loaded = "tls certificate loaded"
	before := strings.Count(p.stderr.String(), loaded)
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(processPatience); strings.Count(p.stderr.String(), loaded) == before; <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("no certificate is loaded:\n%s", p.stderr)
		}
	}
}
