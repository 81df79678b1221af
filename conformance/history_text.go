package conformance

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
)

// inReport adds to an error, if there is one, what it is about.
func inReport(err error, about fmt.Stringer) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w:\n%s", err, about)
}

// String gives the times of the call.
func (s span) String() string {
	if s.end == never {
		return fmt.Sprintf("from %d on", s.call)
	}
	return fmt.Sprintf("from %d to %d", s.call, s.end)
}

// String tells the whole call.
func (c *readCall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client %d, %s: snapshot read", c.client, c.span)
	for i, r := range c.request.Ranges {
		direction := ""
		if r.Reverse {
			direction = " in reverse"
		}
		fmt.Fprintf(&b, "\n  %s to %s%s, at most %d:", keyText(r.Start), keyText(r.End), direction, r.Limit)
		if i >= len(c.output.Ranges) {
			b.WriteString(" no answer")
			continue
		}
		for _, entry := range c.output.Ranges[i] {
			b.WriteString(" " + entryText(&entry))
		}
	}
	return b.String()
}

// String tells the whole call.
func (c *writeCall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client %d, %s: atomic write", c.client, c.span)
	switch c.outcome {
	case writeCommitted:
		fmt.Fprintf(&b, ", committed as %s", c.versionstamp)
	case writeCheckFailed:
		fmt.Fprintf(&b, ", checks that failed: %v", c.failedChecks)
	case writeTypeMismatch:
		b.WriteString(", refused for a type that does not fit")
	case writeLost:
		b.WriteString(", without an answer")
	}
	for _, check := range c.request.Checks {
		fmt.Fprintf(&b, "\n  check %s is %s", keyText(check.Key), check.Versionstamp)
	}
	for _, mutation := range c.request.Mutations {
		fmt.Fprintf(&b, "\n  %s %s", mutation.Type, keyText(mutation.Key))
		if mutation.Type != protocol.MutationDelete {
			b.WriteString(" " + valueText(mutation.Value))
		}
	}
	return b.String()
}

// watchReport is a state of a watch.
type watchReport struct {
	keys    [][]byte
	entries []*protocol.Entry
}

// String tells the whole state.
func (w watchReport) String() string {
	var b strings.Builder
	b.WriteString("watch of")
	for _, key := range w.keys {
		b.WriteString(" " + keyText(key))
	}
	b.WriteString(":")
	for _, entry := range w.entries {
		b.WriteString(" " + entryText(entry))
	}
	return b.String()
}

// keyText leaves out the prefix that all keys of a case have.
func keyText(raw []byte) string {
	key, err := protocol.DecodeKey(raw)
	if err != nil || len(key) < 2 {
		return hex.EncodeToString(raw)
	}
	return fmt.Sprint(key[1:])
}

func valueText(value protocol.Value) string {
	if n, ok := value.U64(); ok {
		return strconv.FormatUint(n, 10)
	}
	return fmt.Sprintf("%q", value.Data)
}

func entryText(entry *protocol.Entry) string {
	if entry == nil {
		return "absent"
	}
	return fmt.Sprintf("%s=%s as of %s", keyText(entry.Key), valueText(entry.Value), entry.Versionstamp)
}
