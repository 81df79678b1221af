package protocol_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/v8value"
)

func v8(t *testing.T, value any) protocol.Value {
	t.Helper()
	data, err := v8value.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	return protocol.Value{Data: data, Encoding: protocol.EncodingV8}
}

// What backends share; the suite in package conformance has the cases that a client
// can bring about.
func TestCombine(t *testing.T) {
	t.Parallel()
	bytesValue := protocol.Value{Data: filled(8), Encoding: protocol.EncodingBytes}
	five := protocol.U64Value(5)
	for name, c := range map[string]struct {
		mutation protocol.Mutation
		stored   *protocol.Value
		want     protocol.Value
		text     string // of the error
	}{
		"sum":                    {mutation: protocol.Mutation{Type: protocol.MutationSum, Value: five}, stored: &five, want: protocol.U64Value(10)},
		"min":                    {mutation: protocol.Mutation{Type: protocol.MutationMin, Value: protocol.U64Value(3)}, stored: &five, want: protocol.U64Value(3)},
		"max":                    {mutation: protocol.Mutation{Type: protocol.MutationMax, Value: protocol.U64Value(3)}, stored: &five, want: five},
		"max of an absent key":   {mutation: protocol.Mutation{Type: protocol.MutationMax, Value: five}, want: five},
		"min of another operand": {mutation: protocol.Mutation{Type: protocol.MutationMin, Value: bytesValue}, text: "Failed to perform 'min' mutation on a non-U64 operand"},
		"max of another operand": {mutation: protocol.Mutation{Type: protocol.MutationMax, Value: v8(t, 1.0)}, text: "Failed to perform 'max' mutation on a non-U64 operand"},
		"max of another value":   {mutation: protocol.Mutation{Type: protocol.MutationMax, Value: five}, stored: &bytesValue, text: "Failed to perform 'max' mutation on a non-U64 value in the database"},
		"counter with a minimum": {mutation: protocol.Mutation{Type: protocol.MutationSum, Value: five, SumMin: []byte{1}}, text: "Cannot use min/max parameters with KvU64 operands"},
		"counter with a maximum": {mutation: protocol.Mutation{Type: protocol.MutationSum, Value: five, SumMax: []byte{1}}, text: "Cannot use min/max parameters with KvU64 operands"},
		"counter with a clamp":   {mutation: protocol.Mutation{Type: protocol.MutationSum, Value: five, SumClamp: true}, text: "Cannot use min/max parameters with KvU64 operands"},
		"sum of bytes":           {mutation: protocol.Mutation{Type: protocol.MutationSum, Value: bytesValue}, text: "Some of the parameters are not valid V8 values"},
		"sum of a number": {
			mutation: protocol.Mutation{Type: protocol.MutationSum, Value: v8(t, 2.0)}, stored: new(v8(t, 1.0)),
			want: protocol.Value{Data: v8value.EncodeDouble(3), Encoding: protocol.EncodingV8},
		},
		"number to a counter of 7 bytes": {
			mutation: protocol.Mutation{Type: protocol.MutationSum, Value: v8(t, 2.0)},
			stored:   &protocol.Value{Data: filled(7), Encoding: protocol.EncodingLE64}, text: "Invalid sum operand",
		},
		"bigint to a value of another encoding": {
			mutation: protocol.Mutation{Type: protocol.MutationSum, Value: v8(t, big.NewInt(2))},
			stored:   &protocol.Value{Data: filled(8), Encoding: 9}, text: "Invalid sum operand",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stored protocol.Value
			if c.stored != nil {
				stored = *c.stored
			}
			got, err := c.mutation.Combine(stored, c.stored != nil)
			if c.text != "" {
				if !errors.Is(err, protocol.ErrTypeMismatch) || err.Error() != c.text {
					t.Errorf("error %v, want ErrTypeMismatch that says %q", err, c.text)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
	if _, err := (protocol.Mutation{Type: protocol.MutationSet}).Combine(five, true); !errors.Is(err, protocol.ErrUnknownMutation) {
		t.Errorf("combining with a set: %v, want ErrUnknownMutation", err)
	}
}

// A clamp can make a value that is longer than any that is stored.
func TestCombineKeepsValuesShort(t *testing.T) {
	t.Parallel()
	bound := new(big.Int).Lsh(big.NewInt(1), 8*protocol.MaxValueBytes)
	m := protocol.Mutation{Type: protocol.MutationSum, Value: v8(t, big.NewInt(1)), SumMin: v8(t, bound).Data, SumClamp: true}
	_, err := m.Combine(v8(t, big.NewInt(1)), true)
	if !errors.Is(err, protocol.ErrValueTooLong) || !strings.Contains(err.Error(), "65543 bytes, at most 65536") {
		t.Errorf("error %v, want ErrValueTooLong", err)
	}
}
