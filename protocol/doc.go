// Package protocol holds the domain of a KV Connect server: its types, limits
// and errors, the encoding of keys, and the conversion between the bytes of a
// data path request and checked domain values.
//
// A value of this package that came out of a Decode function obeys every limit
// of limits.go, so a backend need not check again. What a client sent wrong is
// told by one of the sentinels in errors.go, wrapped with the place where it
// was found.
//
// The files wire_….go hold how protobuf encodes fields, and the files …_wire.go
// how each request and reply is made of them.
//
// The source of the rules is the KV Connect specification ("KV Connect, Data
// Path Protocol"); where real clients want more than it says, the comment of
// the item names the client.
package protocol
