package transport

// streamList is a queue of streams. A stream is in one list at most, and in none once it is
// closed. The zero value is empty; it must not be copied. It is guarded by the mu of the
// connection.
type streamList struct{ first, last *stream }

func (l *streamList) isEmpty() bool { return l.first == nil }

// push adds a stream that is in no list.
func (l *streamList) push(s *stream) {
	s.list, s.previous = l, l.last
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
}

// pushFirst adds a stream that is in no list, as the next to be given.
func (l *streamList) pushFirst(s *stream) {
	s.list, s.next = l, l.first
	if l.first == nil {
		l.last = s
	} else {
		l.first.previous = s
	}
	l.first = s
}

// pop gives nil if the list is empty.
func (l *streamList) pop() *stream {
	s := l.first
	if s != nil {
		l.remove(s)
	}
	return s
}

// remove takes out a stream that is in the list.
func (l *streamList) remove(s *stream) {
	if s.previous == nil {
		l.first = s.next
	} else {
		s.previous.next = s.next
	}
	if s.next == nil {
		l.last = s.previous
	} else {
		s.next.previous = s.previous
	}
	s.list, s.previous, s.next = nil, nil, nil
}
