package protocol

import "google.golang.org/protobuf/encoding/protowire"

// countFields counts the top-level fields of an encoded message by their number,
// up to maxField. A message in memory takes many times its encoded size if it is
// made of empty parts, so their number is checked before it is decoded. ok is
// false if the bytes are no message.
func countFields(body []byte) (counts [maxField + 1]int, ok bool) {
	for len(body) > 0 {
		number, _, n := protowire.ConsumeField(body)
		if n < 0 {
			return counts, false
		}
		if number <= maxField {
			counts[number]++
		}
		body = body[n:]
	}
	return counts, true
}

// maxField is the highest number of a repeated field in a request.
const maxField = 3
