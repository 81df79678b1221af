package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

const (
	logFormatText = "text"
	logFormatJSON = "json"
	logFormatAuto = "auto"
)

// logFlags say what the log of a server is like.
type logFlags struct{ level, format string }

func (l *logFlags) addTo(f *pflag.FlagSet) {
	f.StringVar(&l.level, "log-level", "info",
		"the least that is logged: debug, which has a line for each request, info, warn or error (`debug|info|warn|error`)")
	f.StringVar(&l.format, "log-format", logFormatAuto,
		"how it is logged: text, json, or auto, which is text on a terminal and json elsewhere (`text|json|auto`)")
}

// handler gives what writes the log to out.
func (l *logFlags) handler(out io.Writer) (slog.Handler, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, known := levels[l.level]
	if !known {
		return nil, fmt.Errorf("--log-level %q: give debug, info, warn or error", l.level)
	}
	format := l.format
	if format == logFormatAuto {
		format = logFormatJSON
		if isTerminal(out) {
			format = logFormatText
		}
	}
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case logFormatText:
		return slog.NewTextHandler(out, options), nil
	case logFormatJSON:
		options.ReplaceAttr = timeInUTC
		return slog.NewJSONHandler(out, options), nil
	default:
		return nil, fmt.Errorf("--log-format %q: give text, json or auto", l.format)
	}
}

// timeInUTC makes the times of lines comparable between machines.
func timeInUTC(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) == 0 && attribute.Key == slog.TimeKey && attribute.Value.Kind() == slog.KindTime {
		attribute.Value = slog.TimeValue(attribute.Value.Time().UTC())
	}
	return attribute
}
