package v8value

import "math/big"

// EncodeDouble writes a number as denokv writes the result of a sum: always in the
// form of eight bytes.
func EncodeDouble(f float64) []byte {
	e := encoder{out: []byte{tagVersion, Version, tagDouble}}
	e.double(f)
	return e.out
}

// EncodeBigInt writes a bigint as denokv writes the result of a sum: in as few bytes
// as it has, and at least one. It fails with ErrUnencodable for nil and above 2^30-1
// bytes.
func EncodeBigInt(n *big.Int) ([]byte, error) {
	if n == nil {
		return nil, unencodable("a bigint that is nil")
	}
	e := encoder{out: []byte{tagVersion, Version}}
	size := max(1, (n.BitLen()+7)/8)
	if err := e.bigIntOfSize(tagBigInt, n, size); err != nil {
		return nil, err
	}
	return e.out, nil
}
