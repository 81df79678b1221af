package kvconnect

// ErrorKinds are the errors that a reply has a status for.
func ErrorKinds() []error {
	kinds := make([]error, len(statuses))
	for i, row := range statuses {
		kinds[i] = row.err
	}
	return kinds
}

// MaxQuickEntries is how many entries a quick read may ask for.
const MaxQuickEntries = maxQuickEntries

// ErrBodyTooShort is the error of a body that is shorter than its Content-Length.
var ErrBodyTooShort = errBodyTooShort

// OpenFeeds counts the feeds that a drain would end.
func (s *Server) OpenFeeds() (n int) {
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	for f := s.feeds.first; f != nil; f = f.next {
		n++
	}
	return n
}
