package transport

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"syscall"
)

// socket is the connection to a client. Where the system lets it, it takes what has
// arrived and sends what there is room for without waiting, so that a connection which
// waits holds no buffer, and a goroutine that sends is not held up by its client. One
// goroutine at a time may read, and one may write.
type socket struct {
	net.Conn
	raw syscall.RawConn // nil if all must go through Conn

	// Where all goes through Conn, first takes what a client that was silent begins with, so
	// that a connection which waits holds no buffer there either. filled tells that it was too
	// small the last time.
	first  []byte
	filled bool

	// What the functions below work on, which are made once.
	input      *inputBuffer
	read       int
	readErr    error
	output     []byte
	written    int
	writeErr   error
	peeked     bool
	tryReadFd  func(fd uintptr) (done bool)
	tryWriteFd func(fd uintptr) (done bool)
	tryPeekFd  func(fd uintptr)
}

// tcpConn is a net.TCPConn, or one that holds a place in a Gate.
type tcpConn interface {
	net.Conn
	syscall.Conn
	io.ReaderFrom
	CloseWrite() error
}

// firstBytes is the size of first: most requests fit, with what TLS gives of them at once.
const firstBytes = 1 << 10

// inputBuffer takes what arrives. Only connections that are being served have one.
type inputBuffer [inputBytes]byte

var inputBuffers = sync.Pool{New: func() any { return new(inputBuffer) }}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn}
	if s.raw = rawConnOf(conn); s.raw == nil {
		s.first = make([]byte, firstBytes)
	}
	s.tryReadFd, s.tryWriteFd, s.tryPeekFd = s.tryRead, s.tryWrite, s.tryPeek
	return s
}

// receive waits for input, and gives a buffer and how many bytes of it are filled. The
// one given last may be taken again.
func (s *socket) receive(last *inputBuffer) (*inputBuffer, int, error) {
	s.input = last
	if s.raw == nil {
		n, err := s.receiveFirst()
		if n > 0 {
			err = nil // it comes again
		}
		return s.input, n, err
	}
	err := s.raw.Read(s.tryReadFd)
	if err == nil {
		err = s.readErr
	}
	return s.input, s.read, err
}

// receiveFirst waits for input without a buffer, unless there is more of it as a rule.
func (s *socket) receiveFirst() (n int, err error) {
	if s.filled {
		s.takeBuffer()
		n, err = s.Read(s.input[:])
		s.filled = n >= len(s.first)
		return n, err
	}
	s.releaseBuffer()
	n, err = s.Read(s.first)
	s.filled = n == len(s.first)
	s.takeBuffer()
	copy(s.input[:], s.first[:n])
	return n, err
}

func (s *socket) takeBuffer() {
	if s.input != nil {
		return
	}
	buffer, ok := inputBuffers.Get().(*inputBuffer)
	if !ok {
		buffer = new(inputBuffer)
	}
	s.input = buffer
}

// releaseBuffer gives the buffer back, if there is one.
func (s *socket) releaseBuffer() {
	if s.input != nil {
		inputBuffers.Put(s.input)
		s.input = nil
	}
}

// sendSome sends what the system takes at once, which may be nothing.
func (s *socket) sendSome(p []byte) (n int, err error) {
	if s.raw == nil {
		return 0, nil
	}
	s.output = p
	err = s.raw.Write(s.tryWriteFd)
	s.output = nil
	if err == nil {
		err = s.writeErr
	}
	return s.written, err
}

// hasInput tells whether something has arrived, as far as that can be known.
func (s *socket) hasInput() bool {
	return s.raw != nil && s.raw.Control(s.tryPeekFd) == nil && s.peeked
}

// Close closes the connection at once. TLS would say goodbye first, for which it may wait:
// whoever has sent all says it by closeWrite.
func (s *socket) Close() error {
	if secure, ok := s.Conn.(*tls.Conn); ok {
		return secure.NetConn().Close()
	}
	return s.Conn.Close()
}

// closeWriteWaits tells whether closeWrite may wait for the client: TLS sends something.
func (s *socket) closeWriteWaits() bool {
	_, secure := s.Conn.(*tls.Conn)
	return secure
}

// closeWrite tells the client that nothing more comes.
func (s *socket) closeWrite() {
	if conn, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		_ = conn.CloseWrite() // the connection is about to be closed anyway
	}
}
