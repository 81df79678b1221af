package conformance

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

const acmeDomain = "kv.example.test"

// A certificate is obtained from an authority, by either of the proofs that it takes, served at
// once, and kept: the next start needs no authority.
func TestACME(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, over transportKind) {
		for name, overHTTP := range map[string]bool{"by TLS": false, "by HTTP": true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				runACME(t, over, overHTTP)
			})
		}
	})
}

func runACME(t *testing.T, over transportKind, overHTTP bool) {
	addr, httpAddr, elsewhere := freeAddr(t), freeAddr(t), freeAddr(t)
	options := serverOptions{transport: over, addr: addr, path: filepath.Join(t.TempDir(), "kv.sqlite")}
	var authority *pebble
	if overHTTP {
		authority = startPebble(t, elsewhere, httpAddr)
	} else {
		authority = startPebble(t, addr, elsewhere)
	}
	options.args = []string{
		"--acme-domain", acmeDomain, "--acme-directory", authority.directoryURL, "--acme-ca", authority.authorityPath,
		"--acme-email", "ops@example.test",
	}
	if overHTTP {
		options.args = append(options.args, "--acme-http-addr", httpAddr)
	}
	server := options.launch(t)
	server.awaitPrinted(t, regexp.MustCompile(`https://`+regexp.QuoteMeta(acmeDomain)+`:\d+`))
	trust := authority.trust(t, acmeDomain)
	server.awaitLogged(t, "tls certificate loaded")
	serial := handshake(t, addr, trust).PeerCertificates[0].SerialNumber
	for name, newClient := range tlsClients {
		client := newClient(trust)
		dialing(t, client, addr)
		db, err := openHTTP(t.Context(), client, "https://"+acmeDomain, processToken)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := db.call(t.Context(), "snapshot_read", readOfKey([]byte("key")), &datapath.SnapshotReadOutput{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if url := db.metadata.Endpoints[0].URL; !strings.HasPrefix(url, "https://"+acmeDomain+"/") {
			t.Errorf("%s: the endpoint is %s", name, url)
		}
	}
	stranger := trust.Clone()
	stranger.ServerName = "other.example.test"
	if conn, err := dialTLS(t.Context(), addr, stranger); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("another name: %v, %v", conn, err)
	}
	if overHTTP {
		client := httpClients["HTTP1"]()
		t.Cleanup(client.CloseIdleConnections)
		reply, err := post(t.Context(), client, "http://"+httpAddr, http.Header{}, nil)
		if err != nil || reply.status != http.StatusBadRequest || !strings.Contains(string(reply.body), "https URL") {
			t.Errorf("a program at the port of the authority: %d %s, %v", reply.status, reply.body, err)
		}
	}
	server.stop(t)
	authority.stop()
	if log := server.stderr.String(); strings.Contains(log, `"level":"WARN"`) {
		t.Errorf("it logged %s", log)
	}
	server = server.launch(t)
	server.awaitLogged(t, "tls certificate loaded")
	server.awaitLogged(t, "serving")
	if again := handshake(t, addr, trust).PeerCertificates[0].SerialNumber; again.Cmp(serial) != 0 {
		t.Errorf("after a restart the certificate is %v, want %v", again, serial)
	}
	server.stop(t)
}

// An authority that cannot be content is no reason not to run, the log says what its reason is,
// and who comes meanwhile is refused without being kept waiting.
func TestACMEFails(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, over transportKind) {
		addr := freeAddr(t)
		authority := startPebble(t, freeAddr(t), freeAddr(t))
		server := serverOptions{transport: over, addr: addr, args: []string{
			"--acme-domain", acmeDomain, "--acme-directory", authority.directoryURL, "--acme-ca", authority.authorityPath,
		}}.launch(t)
		server.awaitLogged(t, "tls certificate not obtained")
		if log := server.stderr.String(); !strings.Contains(log, "Failed to connect") {
			t.Errorf("the log does not have the reason of the authority: %s", log)
		}
		trust := &tls.Config{ServerName: acmeDomain, MinVersion: tls.VersionTLS12}
		if _, err := dialTLS(t.Context(), addr, trust); err == nil || !strings.Contains(err.Error(), "internal error") {
			t.Errorf("%v, want the alert of a server without a certificate", err)
		}
		server.stop(t)
	})
}

// dialing has a client connect to an address, whatever the URL says.
func dialing(t *testing.T, client *http.Client, addr string) {
	t.Helper()
	t.Cleanup(client.CloseIdleConnections)
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the client has a %T", client.Transport)
	}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
}
