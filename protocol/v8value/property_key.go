package v8value

import (
	"math"
	"strconv"
	"strings"
)

// numberKey gives the key that a number stands for, as JavaScript converts numbers
// to strings.
func numberKey(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0" // and not -0
	}
	const firstWithExponent, lastWithoutExponent = 1e21, 1e-6
	if size := math.Abs(f); size >= lastWithoutExponent && size < firstWithExponent {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	// JavaScript has no zero in front of the exponent.
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// arrayIndex gives the array index that a key is: a number up to 2^32-2 in its
// shortest form.
func arrayIndex(key string) (index uint32, ok bool) {
	if key == "" || len(key) > len("4294967294") || key[0] == '0' && key != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(key, 10, 32)
	if err != nil || n > maxArrayIndex || key[0] == '+' {
		return 0, false
	}
	return uint32(n), true
}
