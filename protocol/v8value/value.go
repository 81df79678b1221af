package v8value

// Undefined is the value undefined.
type Undefined struct{}

// Null is the value null.
type Null struct{}

// Hole stands in Array.Elements where an array has no element.
type Hole struct{}

// Date is a Date.
type Date struct {
	// UnixMs is a whole number of milliseconds since the Unix epoch, at most
	// 8.64e15 either way, or NaN for an invalid date. Encode makes such a number of
	// any other, as JavaScript does.
	UnixMs float64
}

// Boxed is a Boolean, Number, BigInt or String: an object around a primitive.
type Boxed struct {
	// Primitive is a bool, float64, *big.Int or string.
	Primitive any
}

// Object is a plain object.
type Object struct {
	// Properties have different keys. JavaScript shows those whose keys are array
	// indices first, in ascending order, and then the others in this order.
	Properties []Property
}

// Property is a key with its value. The key 1 is the key "1", as in JavaScript.
type Property struct {
	Key   string
	Value any
}

// Array is an array. It is dense, and then has Length elements of which some may be
// a Hole, or sparse, and then has none, and its elements are Properties.
type Array struct {
	Length     uint32
	Elements   []any
	Properties []Property
}

// Map is a Map with its entries in the order of their insertion. V8 writes no key
// twice; of bytes that do, JavaScript takes the last value.
type Map struct {
	Entries []MapEntry
}

// MapEntry is a key with its value.
type MapEntry struct {
	Key, Value any
}

// Set is a Set with its elements in the order of their insertion. V8 writes none
// twice; of bytes that do, JavaScript takes the first.
type Set struct {
	Elements []any
}

// ErrorClass is the class of an Error. Any other class is stored as ClassError.
type ErrorClass string

// The classes of errors.
const (
	ClassError          ErrorClass = "Error"
	ClassEvalError      ErrorClass = "EvalError"
	ClassRangeError     ErrorClass = "RangeError"
	ClassReferenceError ErrorClass = "ReferenceError"
	ClassSyntaxError    ErrorClass = "SyntaxError"
	ClassTypeError      ErrorClass = "TypeError"
	ClassURIError       ErrorClass = "URIError"
)

// Error is an Error.
type Error struct {
	Class ErrorClass
	// Message and Stack are nil where the error has none.
	Message, Stack *string
	// Cause is nil where the error has none.
	Cause any
}

// Host is an object of Deno itself, such as a CryptoKey or a Blob.
type Host struct {
	// Value is what Deno makes the object from.
	Value any
}

// Opaque is a whole value in which there is an object that only the runtime that wrote
// it can read, and of which not even the end can be found: a Buffer that Node stored
// inside an object, for one. It cannot be a part of another value.
type Opaque struct {
	// Data is the value as it was stored.
	Data []byte
}
