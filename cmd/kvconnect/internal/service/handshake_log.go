package service

import (
	"context"
	"log/slog"
	"strings"
)

// handshakeErrors is what net/http begins its words with on a handshake that failed.
const handshakeErrors = "http: TLS handshake error"

// quietHandshakes is a slog.Handler which makes little of handshakes that failed: anybody can
// cause that as often as they like.
type quietHandshakes struct{ slog.Handler }

// Handle implements slog.Handler.
func (h quietHandshakes) Handle(ctx context.Context, record slog.Record) error {
	if strings.HasPrefix(record.Message, handshakeErrors) {
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
