package protocol

import "google.golang.org/protobuf/encoding/protowire"

// A reply is encoded into memory of its exact size, so each append function has a
// size function. As proto3 has it, a number that is zero and a field of bytes or of
// several numbers that is empty are left out; a part that is empty is not.

func sizeVarintField(number protowire.Number, value uint64) int {
	if value == 0 {
		return 0
	}
	return protowire.SizeTag(number) + protowire.SizeVarint(value)
}

func appendVarintField(out []byte, number protowire.Number, value uint64) []byte {
	if value == 0 {
		return out
	}
	return protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), value)
}

// sizeVarintsField gives the size of a repeated number, packed.
func sizeVarintsField(number protowire.Number, values []uint32) int {
	if len(values) == 0 {
		return 0
	}
	return sizeMessageField(number, sizeVarints(values))
}

func sizeVarints(values []uint32) int {
	size := 0
	for _, value := range values {
		size += protowire.SizeVarint(uint64(value))
	}
	return size
}

func appendVarintsField(out []byte, number protowire.Number, values []uint32) []byte {
	if len(values) == 0 {
		return out
	}
	out = appendMessageHeader(out, number, sizeVarints(values))
	for _, value := range values {
		out = protowire.AppendVarint(out, uint64(value))
	}
	return out
}

func sizeBytesField(number protowire.Number, data []byte) int {
	if len(data) == 0 {
		return 0
	}
	return sizeMessageField(number, len(data))
}

func appendBytesField(out []byte, number protowire.Number, data []byte) []byte {
	if len(data) == 0 {
		return out
	}
	return append(appendMessageHeader(out, number, len(data)), data...)
}

// sizeMessageField gives the size of a part whose content has the given size.
func sizeMessageField(number protowire.Number, size int) int {
	return protowire.SizeTag(number) + protowire.SizeBytes(size)
}

// appendMessageHeader appends what stands before the content of a part.
func appendMessageHeader(out []byte, number protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, number, protowire.BytesType), uint64(size)) //nolint:gosec // a length
}
