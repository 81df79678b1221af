package conformance

import (
	"errors"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/kvconnect/kvconnect/protocol"
)

// outcome is what came of a write.
type outcome struct {
	Output protocol.AtomicWriteOutput
	Error  string
}

func outcomeOf(output protocol.AtomicWriteOutput, err error) outcome {
	var mismatch *protocol.MutationTypeError
	switch {
	case err == nil:
		return outcome{Output: output}
	case errors.As(err, &mismatch):
		return outcome{Error: mismatch.Text} // all that a program is told
	default:
		return outcome{Error: "a fault of the server: " + err.Error()}
	}
}

func (o outcome) committed() bool {
	return o.Error == "" && o.Output.Status == protocol.AtomicWriteCommitted
}

func outcomesDiffer(want, got outcome) string { return cmp.Diff(want, got, cmpopts.EquateEmpty()) }

// outcomes are what random writes must meet, or they prove little.
var outcomes = []string{
	"committed",
	"check failed",
	"Failed to perform 'sum' mutation on a non-U64 value in the database",
	"Failed to perform 'min' mutation on a non-U64 value in the database",
	"Failed to perform 'max' mutation on a non-U64 value in the database",
	"Some of the parameters are not valid V8 values",
	"Min/max parameters have different types than the operand",
	"The result of a Sum operation would exceed its range limit",
	"unsupported value type",
	"Cannot sum Number with BigInt",
	"Cannot sum BigInt with Number",
}

// outcomeCount counts outcomes. It is safe for concurrent use.
type outcomeCount struct {
	mu    sync.Mutex
	times map[string]int // guarded by mu
}

func (c *outcomeCount) add(o outcome) {
	kind := o.Error
	switch {
	case o.committed():
		kind = "committed"
	case kind == "":
		kind = "check failed"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times[kind]++
}

// total gives how many there were.
func (c *outcomeCount) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	for _, times := range c.times {
		total += times
	}
	return total
}
