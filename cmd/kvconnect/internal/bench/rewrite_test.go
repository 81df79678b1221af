package bench_test

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

func wantError(t *testing.T, err error, pattern string) {
	t.Helper()
	if err == nil || !regexp.MustCompile(pattern).MatchString(err.Error()) {
		t.Errorf("the error is %v, want one that says %q", err, pattern)
	}
}

// writerFunc is an io.Writer.
type writerFunc func(text string)

func (f writerFunc) Write(p []byte) (int, error) {
	f(string(p))
	return len(p), nil
}

// withoutChecks takes the checks out of an atomic write.
func withoutChecks(t *testing.T, r *http.Request) {
	t.Helper()
	var write datapath.AtomicWrite
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(body, &write)
	}
	write.Checks = nil
	if err == nil {
		body, err = proto.Marshal(&write)
	}
	if err != nil {
		t.Error(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}
