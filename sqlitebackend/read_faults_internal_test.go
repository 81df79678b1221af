package sqlitebackend

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

func TestLogOfReadFaults(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	clock := new(fakeClock)
	faults := &readFaults{clock: clock, logger: slog.New(slog.NewTextHandler(&log, nil))}
	failure := fmt.Errorf("read: %w", protocol.ErrDiskFailing)
	note := func(times int, err error) {
		t.Helper()
		for range times {
			if got := faults.note(err); !errors.Is(got, err) {
				t.Errorf("%v became %v", err, got)
			}
		}
	}
	note(1, nil)
	note(1, protocol.ErrUnavailable)
	note(10, failure)
	clock.now.Add(troubleLogPause.Milliseconds() - 1)
	note(1, failure)
	clock.now.Add(1)
	note(5, failure)
	if n := strings.Count(log.String(), "reads fail"); n != 2 || !strings.Contains(log.String(), "failed_reads=11") {
		t.Errorf("%d lines, want 2, the second of 11 reads:\n%s", n, &log)
	}
}
