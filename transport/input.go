package transport

import "io"

// input is what arrives on a connection, for the Framer to read. It belongs to the
// goroutine of the connection.
type input struct {
	socket *socket
	buffer *inputBuffer
	unread []byte // of buffer

	// drained is called before the goroutine waits for more. partial tells that a
	// frame has begun to arrive, advanced that one was read since the call before.
	drained func(partial, advanced bool)
	// arrived is called when there is more.
	arrived func()

	inFrame  bool // some bytes of the current frame were read
	advanced bool
	err      error // nothing more can be read
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(in.unread) == 0 {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.unread)
	in.unread = in.unread[n:]
	in.inFrame = true
	return n, nil
}

// nextFrame tells that a frame has been read.
func (in *input) nextFrame() { in.inFrame, in.advanced = false, true }

func (in *input) fill() error {
	in.drained(in.inFrame, in.advanced)
	in.advanced = false
	buffer, n, err := in.socket.receive(in.buffer)
	in.buffer, in.unread = buffer, nil
	if err != nil {
		in.err = err
		return err
	}
	if n == 0 {
		return io.ErrNoProgress
	}
	in.unread = buffer[:n]
	in.arrived()
	return nil
}

// close gives the buffer back.
func (in *input) close() {
	in.socket.releaseBuffer()
	in.buffer, in.unread = nil, nil
}
