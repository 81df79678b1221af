package conformance

import (
	"encoding/hex"
	"math"
	"math/big"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// v8 gives a value as Node 20 stores it, for the tests of sums.
func v8(value any) protocol.Value {
	data, err := v8value.Encode(value)
	if err != nil {
		failf("encode %v: %w", value, err)
	}
	return protocol.Value{Data: data, Encoding: protocol.EncodingV8}
}

// v8Hex gives a V8 value of these bytes.
func v8Hex(digits string) protocol.Value {
	data, err := hex.DecodeString(digits)
	if err != nil {
		failf("%w", err)
	}
	return protocol.Value{Data: data, Encoding: protocol.EncodingV8}
}

func bigInt(n int64) *big.Int { return big.NewInt(n) }

func shifted(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }

func sumV8(key []byte, operand any) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationSum, Key: key, Value: v8(operand)}
}

// bounded gives a sum with bounds; nil for none.
func bounded(key []byte, operand, low, high any, clamp bool) protocol.Mutation {
	m := sumV8(key, operand)
	if low != nil {
		m.SumMin = v8(low).Data
	}
	if high != nil {
		m.SumMax = v8(high).Data
	}
	m.SumClamp = clamp
	return m
}

// The expected bytes are those that Deno's own engine stores: version 15, numbers as
// eight bytes, bigints in as few as they have.
var sumCases = []testCase{
	{"sum/numbers", func(p *probe) {
		key := p.key("a")
		for _, step := range []struct {
			operand float64
			want    string
		}{
			{1, "ff0f4e000000000000f03f"},
			{0.5, "ff0f4e000000000000f83f"},
			{-2, "ff0f4e000000000000e0bf"},
			{0.5, "ff0f4e0000000000000000"},
			{1 << 53, "ff0f4e0000000000004043"},
			{1, "ff0f4e0000000000004043"}, // as JavaScript adds
		} {
			p.wantValue(key, v8Hex(step.want), p.commit(sumV8(key, step.operand)))
		}
	}},
	{"sum/bigints", func(p *probe) {
		key := p.key("a")
		for _, step := range []struct {
			operand *big.Int
			want    string
		}{
			{bigInt(1), "ff0f5a0201"},
			{bigInt(-1), "ff0f5a0200"},
			{bigInt(-256), "ff0f5a050001"},
			{shifted(64), "ff0f5a1000ffffffffffffff"},
			{bigInt(256), "ff0f5a12000000000000000001"},
		} {
			p.wantValue(key, v8Hex(step.want), p.commit(sumV8(key, step.operand)))
		}
	}},
	{"sum/stored in any form", func(p *probe) {
		for name, stored := range map[string]string{
			"int32": "ff0f4954", "uint32": "ff0f552a", "double": "ff0f4e0000000000004540",
			"version 14": "ff0e4954", "version 16": "ff104954",
		} {
			key := p.key(name)
			p.commit(set(key, v8Hex(stored)))
			p.wantValue(key, v8Hex("ff0f4e0000000000804540"), p.commit(sumV8(key, 1.0)))
		}
		key := p.key("bigint")
		p.commit(set(key, v8Hex("ff105a100100000000000000"))) // as V8 fills it up
		p.wantValue(key, v8Hex("ff0f5a0202"), p.commit(sumV8(key, bigInt(1))))
	}},
	{"sum/bounds", func(p *probe) {
		for name, c := range map[string]struct {
			stored, operand, low, high any
			want                       any // nil where the result is out of bounds
			clamped                    any
		}{
			"number at the lower bound":        {5.0, -5.0, 0.0, nil, 0.0, 0.0},
			"number below":                     {5.0, -5.5, 0.0, nil, nil, 0.0},
			"number at the upper bound":        {5.0, 5.0, nil, 10.0, 10.0, 10.0},
			"number above":                     {5.0, 5.5, 0.0, 10.0, nil, 10.0},
			"bigint at the lower bound":        {bigInt(5), bigInt(-5), bigInt(0), nil, bigInt(0), bigInt(0)},
			"bigint below":                     {bigInt(5), bigInt(-6), bigInt(0), nil, nil, bigInt(0)},
			"bigint at the upper bound":        {bigInt(5), bigInt(5), nil, bigInt(10), bigInt(10), bigInt(10)},
			"bigint above":                     {bigInt(5), shifted(99), bigInt(0), bigInt(10), nil, bigInt(10)},
			"lower bound above the upper one":  {5.0, 0.0, 9.0, 1.0, nil, 1.0},
			"result that is no number":         {5.0, math.NaN(), 0.0, 1.0, math.NaN(), math.NaN()},
			"between bounds far away":          {bigInt(5), bigInt(1), new(big.Int).Neg(shifted(80)), shifted(80), bigInt(6), bigInt(6)},
			"clamp without a bound is nothing": {5.0, 1.0, nil, nil, 6.0, 6.0},
		} {
			key := p.key(name)
			p.commit(set(key, v8(c.stored)))
			write := bounded(key, c.operand, c.low, c.high, false)
			if c.want == nil {
				p.mustFail("The result of a Sum operation would exceed its range limit", write)
				p.equal(name, p.get(key).Value, v8(c.stored))
			} else {
				p.wantValue(key, sumResult(c.want), p.commit(write))
			}
			p.commit(set(key, v8(c.stored)))
			p.wantValue(key, sumResult(c.clamped), p.commit(bounded(key, c.operand, c.low, c.high, true)))
		}
	}},
	{"sum/an absent key takes the operand, whatever the bounds", func(p *probe) {
		key := p.key("a")
		p.wantValue(key, sumResult(5.0), p.commit(bounded(key, 5.0, 10.0, 20.0, false)))
		p.commit(del(key))
		p.wantValue(key, sumResult(bigInt(5)), p.commit(bounded(key, bigInt(5), nil, bigInt(1), true)))
	}},
	{"sum/a bigint added to a Deno.KvU64", func(p *probe) {
		key := p.key("a")
		p.commit(set(key, protocol.U64Value(5)))
		p.wantValue(key, protocol.U64Value(6), p.commit(sumV8(key, bigInt(1))))
		largest := new(big.Int).Sub(shifted(64), bigInt(1))
		p.wantValue(key, protocol.U64Value(5), p.commit(sumV8(key, largest)))
		const refusal = "Cannot sum KvU64 with BigInt"
		p.mustFail(refusal, sumV8(key, bigInt(-1)))
		p.mustFail(refusal, sumV8(key, shifted(64)))
		p.mustFail(refusal, bounded(key, bigInt(1), bigInt(0), nil, false))
		p.mustFail(refusal, bounded(key, bigInt(1), nil, bigInt(9), true))
		p.mustFail(refusal, bounded(key, bigInt(1), nil, nil, true))
		p.equal("value", p.get(key).Value, protocol.U64Value(5))
	}},
	{"sum/types that do not fit", func(p *probe) {
		for name, c := range map[string]struct {
			stored  protocol.Value
			operand any
			want    string
		}{
			"bigint to number":         {v8(1.0), bigInt(1), "Cannot sum Number with BigInt"},
			"number to bigint":         {v8(bigInt(1)), 1.0, "Cannot sum BigInt with Number"},
			"number to Deno.KvU64":     {protocol.U64Value(1), 1.0, "Cannot sum KvU64 with Number"},
			"number to text":           {v8("1"), 1.0, "unsupported value type"},
			"number to an object":      {v8(&v8value.Object{}), 1.0, "unsupported value type"},
			"number to bytes":          {text("1"), 1.0, "unsupported value type"},
			"number to what V8 is not": {v8Hex("ff0f"), 1.0, "invalid v8 value"},
			"number to nothing":        {protocol.Value{Data: []byte{}, Encoding: protocol.EncodingV8}, 1.0, "operand cannot be empty"},
		} {
			key := p.key(name)
			v := p.commit(set(key, c.stored))
			p.mustFail(c.want, sumV8(key, c.operand))
			p.wantValue(key, c.stored, v)
		}
	}},
	{"sum/parameters that do not fit", func(p *probe) {
		key := p.key("a")
		p.commit(set(key, v8(1.0)))
		const invalid = "Some of the parameters are not valid V8 values"
		for _, operand := range []protocol.Value{
			v8("1"), v8(true), v8(v8value.Null{}), v8(&v8value.Boxed{Primitive: 1.0}), text("1"), v8Hex("ff0f"), v8Hex("ff114902"), v8Hex(""),
		} {
			p.mustFail(invalid, protocol.Mutation{Type: protocol.MutationSum, Key: key, Value: operand})
		}
		p.mustFail(invalid, bounded(key, 1.0, "0", nil, false))
		p.mustFail(invalid, bounded(key, 1.0, nil, v8value.Undefined{}, true))
		const types = "Min/max parameters have different types than the operand"
		p.mustFail(types, bounded(key, 1.0, bigInt(0), nil, false))
		p.mustFail(types, bounded(key, bigInt(1), nil, 0.0, true))
		p.equal("value", p.get(key).Value, v8(1.0))
		p.mustFail(invalid, protocol.Mutation{Type: protocol.MutationSum, Key: p.key("absent"), Value: v8("1")})
		p.wantAbsent(p.key("absent"))
	}},
	{"sum/bounds of a Deno.KvU64 are refused", func(p *probe) {
		key := p.key("a")
		m := u64(protocol.MutationSum, key, 1)
		m.SumMin = v8(bigInt(0)).Data
		p.mustFail("Cannot use min/max parameters with KvU64 operands", m)
		p.wantAbsent(key)
	}},
	{"sum/a result longer than a value can be is refused", func(p *probe) {
		key := p.key("a")
		p.commit(set(key, v8(bigInt(1))))
		const digits = protocol.MaxValueBytes - 6 // besides version, tag and length
		longest := new(big.Int).Sub(shifted(8*digits), bigInt(1))
		v := p.commit(bounded(key, bigInt(1), longest, nil, true))
		p.wantValue(key, sumResult(longest), v)
		p.mustFail("the value is too long", sumV8(key, bigInt(1)))
		p.wantValue(key, sumResult(longest), v)
	}},
}

// sumResult gives the value that a sum leaves.
func sumResult(result any) protocol.Value {
	if n, ok := result.(*big.Int); ok {
		data, err := v8value.EncodeBigInt(n)
		if err != nil {
			failf("%w", err)
		}
		return protocol.Value{Data: data, Encoding: protocol.EncodingV8}
	}
	f, ok := result.(float64)
	if !ok {
		failf("%T is no result of a sum", result)
	}
	return protocol.Value{Data: v8value.EncodeDouble(f), Encoding: protocol.EncodingV8}
}
