package conformance

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// modelSum gives what a sum over V8 numbers or bigints leaves.
func modelSum(mutation protocol.Mutation, stored protocol.Value, found bool) (protocol.Value, error) {
	const invalid = "Some of the parameters are not valid V8 values"
	operand, text := modelNumber(mutation.Value)
	if text != "" {
		return modelRefusal(invalid)
	}
	var bounds [2]any // nil for none
	for i, data := range [][]byte{mutation.SumMin, mutation.SumMax} {
		if len(data) == 0 {
			continue
		}
		if bounds[i], text = modelNumber(protocol.Value{Data: data, Encoding: protocol.EncodingV8}); text != "" {
			return modelRefusal(invalid)
		}
	}
	for _, bound := range bounds {
		if bound != nil && modelTypeName(bound) != modelTypeName(operand) {
			return modelRefusal("Min/max parameters have different types than the operand")
		}
	}
	if !found {
		return modelValue(operand)
	}
	current, text := modelNumber(stored)
	if text != "" {
		return modelRefusal(text)
	}
	if n, isU64 := current.(uint64); isU64 && bounds == [2]any{} && !mutation.SumClamp {
		if operand, isBigInt := operand.(*big.Int); isBigInt && operand.IsUint64() {
			return protocol.U64Value(n + operand.Uint64()), nil
		}
	}
	if modelTypeName(current) != modelTypeName(operand) {
		return modelRefusal("Cannot sum " + modelTypeName(current) + " with " + modelTypeName(operand))
	}
	result := modelAdd(current, operand)
	if bounds[0] != nil && modelLess(result, bounds[0]) {
		if result = bounds[0]; !mutation.SumClamp {
			return modelRefusal("The result of a Sum operation would exceed its range limit")
		}
	}
	if bounds[1] != nil && modelLess(bounds[1], result) {
		if result = bounds[1]; !mutation.SumClamp {
			return modelRefusal("The result of a Sum operation would exceed its range limit")
		}
	}
	return modelValue(result)
}

// modelNumber gives the float64, *big.Int or uint64 in a value, or why there is none.
func modelNumber(value protocol.Value) (number any, text string) {
	switch {
	case value.Encoding == protocol.EncodingLE64:
		return binary.LittleEndian.Uint64(value.Data), ""
	case value.Encoding != protocol.EncodingV8:
		return nil, "unsupported value type"
	case len(value.Data) == 0:
		return nil, "operand cannot be empty"
	}
	decoded, err := v8value.Decode(value.Data)
	if err != nil {
		return nil, "invalid v8 value"
	}
	switch decoded.(type) {
	case float64, *big.Int:
		return decoded, ""
	default:
		return nil, "unsupported value type"
	}
}

func modelTypeName(number any) string {
	switch number.(type) {
	case float64:
		return "Number"
	case *big.Int:
		return "BigInt"
	default:
		return "KvU64"
	}
}

// modelAdd adds two numbers of the same type.
func modelAdd(a, b any) any {
	if x, isBigInt := a.(*big.Int); isBigInt {
		y, _ := b.(*big.Int)
		return new(big.Int).Add(x, y)
	}
	x, _ := a.(float64)
	y, _ := b.(float64)
	return x + y
}

// modelLess compares two numbers of the same type.
func modelLess(a, b any) bool {
	if x, isBigInt := a.(*big.Int); isBigInt {
		y, _ := b.(*big.Int)
		return x.Cmp(y) < 0
	}
	x, _ := a.(float64)
	y, _ := b.(float64)
	return x < y
}

// modelValue gives a number as it is stored: in version 15 of V8's format, with a
// number in eight bytes and a bigint in as few as it has, but at least one.
func modelValue(number any) (protocol.Value, error) {
	data := []byte{0xff, 15}
	switch number := number.(type) {
	case *big.Int:
		digits := number.Bytes()
		slices.Reverse(digits)
		if len(digits) == 0 {
			digits = []byte{0}
		}
		header := 2 * uint64(len(digits))
		if number.Sign() < 0 {
			header++
		}
		data = append(binary.AppendUvarint(append(data, 'Z'), header), digits...)
	case float64:
		bits := math.Float64bits(number)
		if math.IsNaN(number) {
			bits = 0x7ff8 << 48 // that of JavaScript
		}
		data = binary.LittleEndian.AppendUint64(append(data, 'N'), bits)
	}
	if len(data) > protocol.MaxValueBytes {
		return protocol.Value{}, protocol.ErrValueTooLong
	}
	return protocol.Value{Data: data, Encoding: protocol.EncodingV8}, nil
}
