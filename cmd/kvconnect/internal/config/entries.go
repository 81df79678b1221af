package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Entries are what a file says, before anybody knows whether there are such flags.
type Entries struct {
	path  string
	order []string // the keys as they stand in the file
	byKey map[string]entry
	// open tells that everybody on the machine may read the file.
	open bool
}

// entry is a value with its place.
type entry struct {
	line  int
	value any // of the types that the TOML decoder gives for an empty interface
}

// ReadFile reads a file in TOML. It fails for what is no TOML and for a key that is there
// twice, with the line and the column. A byte order mark before it, as some editors write one,
// counts for nothing.
func ReadFile(path string) (*Entries, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	entries, err := Parse(path, text)
	if err != nil {
		return nil, err
	}
	entries.open = isOpen(info.Mode())
	return entries, nil
}

// Parse is ReadFile with the text of the file at path, which nobody else may read.
func Parse(path string, text []byte) (*Entries, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, fmt.Errorf("%s:1:1: this is no TOML, but UTF-16: save the file as UTF-8", path)
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var values map[string]any
	if err := toml.Unmarshal(text, &values); err != nil {
		return nil, syntaxError(path, err)
	}
	// The decoder tells the lines of those keys that nobody wants: here, of all.
	var missing *toml.StrictMissingError
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&struct{}{})
	if err != nil && !errors.As(err, &missing) {
		return nil, syntaxError(path, err)
	}
	entries := &Entries{path: path, byKey: make(map[string]entry)}
	if missing == nil {
		return entries, nil
	}
	for i := range missing.Errors {
		key := missing.Errors[i].Key()
		line, _ := missing.Errors[i].Position()
		name := strings.Join(key, ".")
		if _, known := entries.byKey[name]; known {
			continue // a table that is there twice: either is refused
		}
		entries.order = append(entries.order, name)
		e := entry{line: line}
		if len(key) == 1 {
			e.value = values[name]
		}
		entries.byKey[name] = e
	}
	return entries, nil
}

func syntaxError(path string, err error) error {
	var decode *toml.DecodeError
	if !errors.As(err, &decode) {
		return fmt.Errorf("%s: %w", path, err)
	}
	line, column := decode.Position()
	return fmt.Errorf("%s:%d:%d: this is no TOML: %s", path, line, column, strings.TrimPrefix(err.Error(), "toml: "))
}

// place gives the file and the line of a key that is there.
func (e *Entries) place(key string) string { return fmt.Sprintf("%s:%d", e.path, e.byKey[key].line) }
