package v8value

import "errors"

const (
	// MaxDepth is how deep values may be nested, inclusive. Deno's own stack ends
	// at about 5000.
	MaxDepth = 6000

	// Version is the version of the format that Encode writes: every Deno and
	// Node that can use Deno KV reads it.
	Version = 15

	// Decode reads these. Versions differ in little: from 14 on views have flags,
	// from 16 on the cause of an error comes last.
	minVersion = 13
	maxVersion = 16
)

var (
	// ErrInvalid is returned by Decode for bytes that V8 would not have written.
	ErrInvalid = errors.New("invalid V8 value")

	// ErrVersion is returned by Decode for a version of the format that it does
	// not know.
	ErrVersion = errors.New("unknown version of the V8 format")

	// ErrTooDeep is returned for a value that is nested deeper than MaxDepth.
	ErrTooDeep = errors.New("the value is nested too deep")

	// ErrUnencodable is returned by Encode for what is no value of JavaScript.
	ErrUnencodable = errors.New("not a value of JavaScript")
)

// The byte with which each part begins.
const (
	tagVersion      = 0xff
	tagPadding      = 0x00 // skipped
	tagObjectCount  = '?'  // skipped with the number behind it
	tagHole         = '-'
	tagUndefined    = '_'
	tagNull         = '0'
	tagTrue         = 'T'
	tagFalse        = 'F'
	tagInt32        = 'I'
	tagUint32       = 'U'
	tagDouble       = 'N'
	tagBigInt       = 'Z'
	tagUTF8String   = 'S'
	tagLatin1String = '"'
	tagUTF16String  = 'c'
	tagReference    = '^'
	tagObject       = 'o'
	tagObjectEnd    = '{'
	tagSparseArray  = 'a'
	tagSparseEnd    = '@'
	tagDenseArray   = 'A'
	tagDenseEnd     = '$'
	tagDate         = 'D'
	tagTrueObject   = 'y'
	tagFalseObject  = 'x'
	tagNumberObject = 'n'
	tagBigIntObject = 'z'
	tagStringObject = 's'
	tagRegExp       = 'R'
	tagMap          = ';'
	tagMapEnd       = ':'
	tagSet          = '\''
	tagSetEnd       = ','
	tagArrayBuffer  = 'B'
	tagResizable    = '~'
	tagView         = 'V'
	tagError        = 'r'
	tagHost         = '\\'

	// These refer to something outside of the value.
	tagTransferredBuffer = 't'
	tagSharedBuffer      = 'u'
	tagSharedObject      = 'p'
	tagWasmModule        = 'w'
	tagWasmMemory        = 'm'
)

// The byte with which each part of an error begins; its class has one too.
const (
	errorTagMessage = 'm'
	errorTagCause   = 'c'
	errorTagStack   = 's'
	errorTagEnd     = '.'
)

var errorClassTags = map[ErrorClass]byte{
	ClassEvalError:      'E',
	ClassRangeError:     'R',
	ClassReferenceError: 'F',
	ClassSyntaxError:    'S',
	ClassTypeError:      'T',
	ClassURIError:       'U',
}

var errorClasses = func() map[byte]ErrorClass {
	classes := make(map[byte]ErrorClass)
	for class, tag := range errorClassTags {
		classes[tag] = class
	}
	return classes
}()

const (
	viewFlagLengthTracking  = 1 << 0
	viewFlagResizableBuffer = 1 << 1

	// bigIntSign is the bit of a bigint's header that tells a negative one. Above
	// it is the length in bytes.
	bigIntSign     = 1
	bigIntMaxBytes = 1<<30 - 1
	denoHostObject = 1<<32 - 1 // in the place of an index into a list of transferred objects
	maxArrayIndex  = 1<<32 - 2
	fewProperties  = 16 // up to which comparing all keys is faster than a map
	maxDateMs      = 8.64e15
)
