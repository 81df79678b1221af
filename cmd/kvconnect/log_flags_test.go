package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLogHandler(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags logFlags
		least slog.Level
		json  bool
	}{
		"json":              {logFlags{"info", "json"}, slog.LevelInfo, true},
		"text":              {logFlags{"debug", "text"}, slog.LevelDebug, false},
		"not to a terminal": {logFlags{"warn", "auto"}, slog.LevelWarn, true},
		"errors alone":      {logFlags{"error", "text"}, slog.LevelError, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			handler, err := c.flags.handler(&out)
			if err != nil {
				t.Fatal(err)
			}
			if !handler.Enabled(t.Context(), c.least) || handler.Enabled(t.Context(), c.least-1) {
				t.Errorf("the least that is logged is not %s", c.least)
			}
			slog.New(handler).Error("something happened")
			if json.Valid(out.Bytes()) != c.json {
				t.Errorf("it logged %s", &out)
			}
		})
	}
}

// The times of JSON lines are in UTC, wherever the machine is; a time that is part of a message
// stays as it is.
func TestLogTimesAreInUTC(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	flags := logFlags{level: "info", format: "json"}
	handler, err := flags.handler(&out)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("somewhere", 2*60*60))
	record := slog.NewRecord(at, slog.LevelInfo, "something happened", 0)
	record.AddAttrs(slog.Group("inner", slog.Time("time", at)))
	if err := handler.Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"time":"2026-03-01T10:00:00Z",`, `"inner":{"time":"2026-03-01T12:00:00+02:00"}`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it logged %s, want %s", &out, want)
		}
	}
}
