package v8value

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	surrogateMin = 0xd800 // first half of a pair
	surrogateLow = 0xdc00 // second half
	surrogateMax = 0xdfff
)

func isSurrogate(r rune) bool { return r >= surrogateMin && r <= surrogateMax }

func fromLatin1(raw []byte) string {
	var out strings.Builder
	out.Grow(len(raw))
	for _, b := range raw {
		out.WriteRune(rune(b))
	}
	return out.String()
}

// fromUTF16 joins the pairs of surrogates and keeps those that stand alone.
func fromUTF16(raw []byte) string {
	out := make([]byte, 0, len(raw))
	unit := func(i int) rune { return rune(binary.LittleEndian.Uint16(raw[i:])) }
	for i := 0; i < len(raw); i += 2 {
		r := unit(i)
		if r >= surrogateMin && r < surrogateLow && i+2 < len(raw) {
			if low := unit(i + 2); low >= surrogateLow && low <= surrogateMax {
				r = utf16.DecodeRune(r, low)
				i += 2
			}
		}
		out = appendRune(out, r)
	}
	return string(out)
}

// fromUTF8 puts U+FFFD in the place of what is no UTF-8, as V8 does: one for each
// sequence that could have become a character.
func fromUTF8(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	var out strings.Builder
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		if r == utf8.RuneError && size == 1 {
			size = brokenBytes(raw)
		}
		out.WriteRune(r)
		raw = raw[size:]
	}
	return out.String()
}

// brokenBytes gives the length of the longest beginning of raw, which begins with no
// character, that some character begins with; 1 if there is none.
func brokenBytes(raw []byte) int {
	n := 1
	for n < len(raw) && !utf8.FullRune(raw[:n+1]) {
		n++
	}
	return n
}

// appendRune appends a character as UTF-8, and a lone surrogate in the same manner.
func appendRune(out []byte, r rune) []byte {
	if isSurrogate(r) {
		return append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f)) //nolint:gosec // of 16 bits
	}
	return utf8.AppendRune(out, r)
}

// nextRune gives the first character of text, which is not empty, or lone surrogate,
// and its length; ok is false for bytes that are neither.
func nextRune(text string) (r rune, size int, ok bool) {
	r, size = utf8.DecodeRuneInString(text)
	if r != utf8.RuneError || size != 1 {
		return r, size, true
	}
	if len(text) >= 3 && text[0] == 0xed && text[1] >= 0xa0 && text[1] <= 0xbf && text[2]&0xc0 == 0x80 {
		return surrogateMin | rune(text[1]&0x1f)<<6 | rune(text[2]&0x3f), 3, true
	}
	return 0, 0, false
}

// toLatin1 gives the characters as bytes; ok is false if one is beyond 0xff.
func toLatin1(text string) (raw []byte, ok bool) {
	raw = make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, false
		}
		raw = append(raw, byte(r)) //nolint:gosec // was checked
	}
	return raw, true
}

// toUTF16 gives the text as V8 has it; ok is false if it is neither UTF-8 nor WTF-8,
// which has no pair of surrogates in two halves: that would be another form of a
// character that has one already.
func toUTF16(text string) (raw []byte, ok bool) {
	raw = make([]byte, 0, 2*len(text))
	afterHigh := false
	for text != "" {
		r, size, ok := nextRune(text)
		if !ok || afterHigh && r >= surrogateLow && r <= surrogateMax {
			return nil, false
		}
		afterHigh = r >= surrogateMin && r < surrogateLow
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(high)) //nolint:gosec // a surrogate
			r = low
		}
		raw = binary.LittleEndian.AppendUint16(raw, uint16(r)) //nolint:gosec // of one unit
		text = text[size:]
	}
	return raw, true
}
