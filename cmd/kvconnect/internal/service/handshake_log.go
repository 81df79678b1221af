package service

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// handshakeErrors are what net/http begins its words with on a handshake that failed, or on a
// client that does not go on as agreed.
var handshakeErrors = []string{"http: TLS handshake error", "http2: server: error reading preface"}

// quietHandshakes is a slog.Handler which makes little of handshakes that failed: anybody can
// cause that as often as they like.
type quietHandshakes struct{ slog.Handler }

// Handle implements slog.Handler.
func (h quietHandshakes) Handle(ctx context.Context, record slog.Record) error {
	if slices.ContainsFunc(handshakeErrors, func(begin string) bool { return strings.HasPrefix(record.Message, begin) }) {
		record.Level = slog.LevelDebug
		if !h.Enabled(ctx, record.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h quietHandshakes) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandshakes{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h quietHandshakes) WithGroup(name string) slog.Handler {
	return quietHandshakes{h.Handler.WithGroup(name)}
}
