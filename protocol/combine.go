package protocol

import "fmt"

// Combine gives the value that a sum, min or max leaves where stored was, or where
// nothing was if found is false. Whatever the operand, the stored value or the bounds
// have the wrong type for is a MutationTypeError.
func (m Mutation) Combine(stored Value, found bool) (Value, error) {
	switch m.Type {
	case MutationSum:
		if m.Value.Encoding != EncodingLE64 {
			return m.sumV8(stored, found)
		}
		if len(m.SumMin) > 0 || len(m.SumMax) > 0 || m.SumClamp {
			return Value{}, &MutationTypeError{Text: "Cannot use min/max parameters with KvU64 operands"}
		}
		return m.combineU64(stored, found, func(a, b uint64) uint64 { return a + b }) // wraps around
	case MutationMin:
		return m.combineU64(stored, found, func(a, b uint64) uint64 { return min(a, b) })
	case MutationMax:
		return m.combineU64(stored, found, func(a, b uint64) uint64 { return max(a, b) })
	default:
		return Value{}, fmt.Errorf("%w (%d)", ErrUnknownMutation, m.Type)
	}
}

func (m Mutation) combineU64(stored Value, found bool, combine func(a, b uint64) uint64) (Value, error) {
	operand, ok := m.Value.U64()
	if !ok {
		return Value{}, &MutationTypeError{
			Text: fmt.Sprintf("Failed to perform '%s' mutation on a non-U64 operand", m.Type),
		}
	}
	if !found {
		return m.Value, nil
	}
	current, ok := stored.U64()
	if !ok {
		return Value{}, &MutationTypeError{
			Text: fmt.Sprintf("Failed to perform '%s' mutation on a non-U64 value in the database", m.Type),
		}
	}
	return U64Value(combine(current, operand)), nil
}
