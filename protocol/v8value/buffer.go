package v8value

// ArrayBuffer is an ArrayBuffer.
type ArrayBuffer struct {
	Data []byte
	// Resizable tells that the buffer can grow to MaxByteLength, which is not
	// below len(Data).
	Resizable     bool
	MaxByteLength uint32
}

// View is a typed array or a DataView.
type View struct {
	Kind   ViewKind
	Buffer *ArrayBuffer
	// ByteOffset and ByteLength say which part of Buffer the view shows. For all
	// but a DataView they are multiples of the size of an element.
	ByteOffset, ByteLength uint32
	// LengthTracking tells that the view shows all that is behind ByteOffset,
	// however much Buffer grows; ByteLength says nothing then.
	LengthTracking bool
}

// ViewKind is a kind of View. The numbers are those of the format.
type ViewKind byte

// The kinds of views.
const (
	Int8Array         ViewKind = 'b'
	Uint8Array        ViewKind = 'B'
	Uint8ClampedArray ViewKind = 'C'
	Int16Array        ViewKind = 'w'
	Uint16Array       ViewKind = 'W'
	Int32Array        ViewKind = 'd'
	Uint32Array       ViewKind = 'D'
	Float16Array      ViewKind = 'h'
	Float32Array      ViewKind = 'f'
	Float64Array      ViewKind = 'F'
	BigInt64Array     ViewKind = 'q'
	BigUint64Array    ViewKind = 'Q'
	DataView          ViewKind = '?'
)

var viewKinds = map[ViewKind]struct {
	name         string
	elementBytes uint32
}{
	Int8Array:         {"Int8Array", 1},
	Uint8Array:        {"Uint8Array", 1},
	Uint8ClampedArray: {"Uint8ClampedArray", 1},
	Int16Array:        {"Int16Array", 2},
	Uint16Array:       {"Uint16Array", 2},
	Int32Array:        {"Int32Array", 4},
	Uint32Array:       {"Uint32Array", 4},
	Float16Array:      {"Float16Array", 2},
	Float32Array:      {"Float32Array", 4},
	Float64Array:      {"Float64Array", 8},
	BigInt64Array:     {"BigInt64Array", 8},
	BigUint64Array:    {"BigUint64Array", 8},
	DataView:          {"DataView", 1},
}

// String gives the name of the class.
func (k ViewKind) String() string {
	if kind, known := viewKinds[k]; known {
		return kind.name
	}
	return "unknown"
}

// check tells what is wrong with a view; it is empty if nothing is.
func (v *View) check() (problem string) {
	kind, known := viewKinds[v.Kind]
	switch {
	case !known:
		return "unknown kind of view"
	case v.Buffer == nil:
		return "a view without a buffer"
	case uint64(v.ByteOffset)+uint64(v.ByteLength) > uint64(len(v.Buffer.Data)):
		return "a view beyond the end of its buffer"
	case v.ByteOffset%kind.elementBytes != 0, v.ByteLength%kind.elementBytes != 0:
		return "a view that begins or ends within an element"
	case v.LengthTracking && !v.Buffer.Resizable:
		return "a view that tracks the length of a buffer that keeps it"
	default:
		return ""
	}
}
