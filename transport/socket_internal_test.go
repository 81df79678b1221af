package transport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A connection is closed at once, also if its client takes nothing more: the locks that are
// held meanwhile are those of others too.
func TestCloseDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := pipeOverTLS(t)
		began := time.Now()
		if err := newSocket(near).Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want the end", err)
		}
	})
}

// To end a connection in order takes no longer, or the watchdog, which does that to one that
// is idle, would leave all the others alone.
func TestOrderlyEndDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, _ := pipeOverTLS(t)
		server := New(&http.Server{}, nil, Options{})
		c := newConn(server, near)
		began := time.Now()
		c.mu.Lock()
		c.stage = stageDraining
		c.times.lastGoAwaySent = true
		c.endIfDone()
		c.unlock()
		if took := time.Since(began); took > 0 || c.stage != stageClosed {
			t.Errorf("it took %v, and came to the stage %d", took, c.stage)
		}
		c.cut() // as its own goroutine does after a while
		server.running.Wait()
	})
}

// pipeOverTLS gives an end of a connection that has shaken hands, and the pipe, which has no
// buffer, at its other end.
func pipeOverTLS(t *testing.T) (near *tls.Conn, far net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pipe, far := net.Pipe()
	client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	greeted := make(chan error, 1)
	go func() { greeted <- client.HandshakeContext(t.Context()) }()
	near = tls.Server(pipe, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12,
	})
	if err := errors.Join(near.HandshakeContext(t.Context()), <-greeted); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// What waits over TLS holds no buffer, and what arrives comes whole, however long it is.
func TestReceiveOverTLS(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe() // any connection without a file descriptor is received from so
	s := newSocket(near)
	var sent, got []byte
	for _, length := range []int{1, firstBytes - 1, firstBytes, firstBytes + 1, inputBytes, 3*inputBytes + 1, 1} {
		sent = append(sent, bytes.Repeat([]byte{byte(length)}, length)...)
	}
	go func() {
		_, _ = far.Write(sent) // what is missing shows
		_ = far.Close()
	}()
	for {
		buffer, n, err := s.receive(s.input)
		if err != nil {
			break
		}
		got = append(got, buffer[:n]...)
	}
	if !bytes.Equal(sent, got) {
		t.Errorf("%d bytes arrive of %d, or others", len(got), len(sent))
	}
	s.releaseBuffer()
}
