package protocol

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// The messages of a sum over V8 values, which are the reference server's.
var (
	errSumParameters  = &MutationTypeError{Text: "Some of the parameters are not valid V8 values"}
	errSumBoundTypes  = &MutationTypeError{Text: "Min/max parameters have different types than the operand"}
	errSumOutOfRange  = &MutationTypeError{Text: "The result of a Sum operation would exceed its range limit"}
	errSumStored      = &MutationTypeError{Text: "Invalid sum operand"}
	errSumStoredV8    = &MutationTypeError{Text: "invalid v8 value"}
	errSumStoredEmpty = &MutationTypeError{Text: "operand cannot be empty"}
	errSumStoredType  = &MutationTypeError{Text: "unsupported value type"}
)

// sumV8 adds a number to a number, or a bigint to a bigint, within bounds. A bigint
// can also be added to a Deno.KvU64 that it fits, without bounds.
func (m Mutation) sumV8(stored Value, found bool) (Value, error) {
	operand, err := parseSumOperand(m.Value)
	if err != nil {
		return Value{}, errSumParameters
	}
	bounds, err := parseSumBounds(m, operand)
	if err != nil {
		return Value{}, err
	}
	if !found {
		return encodeSum(operand)
	}
	current, err := parseSumOperand(stored)
	if err != nil {
		return Value{}, err
	}
	switch current := current.(type) {
	case float64:
		if operand, ok := operand.(float64); ok {
			result, err := within(current+operand, bounds, func(a, b float64) bool { return a < b })
			if err != nil {
				return Value{}, err
			}
			return encodeSum(result)
		}
	case *big.Int:
		if operand, ok := operand.(*big.Int); ok {
			result, err := within(new(big.Int).Add(current, operand), bounds, func(a, b *big.Int) bool { return a.Cmp(b) < 0 })
			if err != nil {
				return Value{}, err
			}
			return encodeSum(result)
		}
	case uint64:
		if operand, ok := operand.(*big.Int); ok && operand.IsUint64() && bounds == (sumBounds{}) {
			return U64Value(current + operand.Uint64()), nil // wraps around
		}
	}
	return Value{}, &MutationTypeError{
		Text: fmt.Sprintf("Cannot sum %s with %s", sumTypeName(current), sumTypeName(operand)),
	}
}

// parseSumOperand gives the float64, *big.Int or uint64 in a value, or tells why there
// is none as a stored value is told.
func parseSumOperand(value Value) (any, error) {
	switch value.Encoding {
	case EncodingLE64:
		n, ok := value.U64()
		if !ok {
			return nil, errSumStored
		}
		return n, nil
	case EncodingBytes:
		return nil, errSumStoredType
	case EncodingV8:
	default:
		return nil, errSumStored
	}
	if len(value.Data) == 0 {
		return nil, errSumStoredEmpty
	}
	decoded, err := v8value.Decode(value.Data)
	if err != nil {
		return nil, errSumStoredV8
	}
	switch decoded.(type) {
	case float64, *big.Int:
		return decoded, nil
	default:
		return nil, errSumStoredType
	}
}

// sumBounds are what the result of a sum must keep within: nil, or of the operand's
// type. With clamp a result beyond a bound becomes the bound.
type sumBounds struct {
	low, high any
	clamp     bool
}

func parseSumBounds(m Mutation, operand any) (bounds sumBounds, err error) {
	bounds.clamp = m.SumClamp
	for _, bound := range []struct {
		data []byte
		into *any
	}{{m.SumMin, &bounds.low}, {m.SumMax, &bounds.high}} {
		if len(bound.data) == 0 {
			continue
		}
		parsed, err := parseSumOperand(Value{Data: bound.data, Encoding: EncodingV8})
		if err != nil {
			return sumBounds{}, errSumParameters
		}
		*bound.into = parsed
	}
	for _, bound := range []any{bounds.low, bounds.high} {
		if bound != nil && sumTypeName(bound) != sumTypeName(operand) {
			return sumBounds{}, errSumBoundTypes
		}
	}
	return bounds, nil
}

// within holds a result against the bounds, the lower one first.
func within[T any](result T, bounds sumBounds, less func(a, b T) bool) (T, error) {
	if low, ok := bounds.low.(T); ok && less(result, low) {
		if !bounds.clamp {
			return result, errSumOutOfRange
		}
		result = low
	}
	if high, ok := bounds.high.(T); ok && less(high, result) {
		if !bounds.clamp {
			return result, errSumOutOfRange
		}
		result = high
	}
	return result, nil
}

// encodeSum gives the bytes that the reference server stores.
func encodeSum(result any) (Value, error) {
	value := Value{Encoding: EncodingV8}
	switch result := result.(type) {
	case float64:
		value.Data = v8value.EncodeDouble(result)
	case *big.Int:
		var err error
		if value.Data, err = v8value.EncodeBigInt(result); err != nil {
			return Value{}, fmt.Errorf("encode sum: %w", errors.Join(ErrValueTooLong, err))
		}
	}
	if n := len(value.Data); n > MaxValueBytes {
		return Value{}, fmt.Errorf("the result of a sum: %w: %d bytes, at most %d", ErrValueTooLong, n, MaxValueBytes)
	}
	return value, nil
}

func sumTypeName(operand any) string {
	switch operand.(type) {
	case float64:
		return "Number"
	case *big.Int:
		return "BigInt"
	default:
		return "KvU64"
	}
}
