// Package v8value reads and writes values in the format of V8's ValueSerializer,
// in which Deno and Node store what a program gives them.
//
// A value of JavaScript is one of these in Go:
//
//	undefined, null             Undefined, Null
//	boolean                     bool
//	number                      float64
//	bigint                      *big.Int
//	string                      string, see below
//	Date, RegExp, Error         *Date, *RegExp, *Error
//	Boolean, Number, ...        *Boxed
//	object, array               *Object, *Array
//	Map, Set                    *Map, *Set
//	ArrayBuffer, typed array    *ArrayBuffer, *View
//	object of the runtime       *Host, or *Opaque in the place of the whole value
//
// Objects are pointers: what one value refers to twice is one pointer, and an object
// may lead back to itself.
//
// A string is UTF-8, and since JavaScript allows halves of surrogate pairs to stand
// alone, a lone one has the three bytes that UTF-8 would give its number (this is
// called WTF-8). So a string is valid UTF-8 if it is valid UTF-16 in JavaScript.
//
// # Limits
//
// Values may be nested MaxDepth deep. Decoding takes time linear in the length of the
// input, and memory of at most about two hundred times that, which input made of nothing
// but one-byte objects reaches; text and bytes take about as much as they have.
//
// # Caveats
//
//   - A copy of a value is not the same bytes: numbers, texts and arrays have several
//     forms, and Encode has a version of its own.
//   - What the pattern of a RegExp means is not looked at.
//   - An Error that its cause leads back to is read by Deno, but not by Node up to 20,
//     which cannot read what it writes of one itself.
package v8value
