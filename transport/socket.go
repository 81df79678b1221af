package transport

import (
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

// inputBuffer takes what arrives. Only connections that are being served have one.
type inputBuffer [inputBytes]byte

var inputBuffers = sync.Pool{New: func() any { return new(inputBuffer) }}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn}
	s.raw = rawConnOf(conn)
	s.tryReadFd, s.tryWriteFd, s.tryPeekFd = s.tryRead, s.tryWrite, s.tryPeek
	return s
}

// receive waits for input, and gives a buffer and how many bytes of it are filled. The
// one given last may be taken again.
func (s *socket) receive(last *inputBuffer) (*inputBuffer, int, error) {
	s.input = last
	if s.raw == nil {
		s.takeBuffer()
		n, err := s.Read(s.input[:])
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

// closeWrite tells the client that nothing more comes.
func (s *socket) closeWrite() {
	if conn, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		_ = conn.CloseWrite() // the connection is about to be closed anyway
	}
}
