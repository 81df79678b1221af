package v8value

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Decode reads a value of version 13 to 16 ("V8, ValueSerializer"). It shares no
// memory with data, and passes over what follows the value, as V8 does. It fails with
// ErrInvalid, ErrVersion or ErrTooDeep.
func Decode(data []byte) (any, error) {
	d := decoder{reader: reader{data: data}}
	if err := d.header(); err != nil {
		return nil, err
	}
	start := d.pos
	d.viewFlags = d.version >= 14
	value, err := d.whole()
	if errors.Is(err, ErrInvalid) && d.version == 13 {
		// Some V8 wrote version 13 with the flags of version 14.
		again := decoder{reader: reader{data: data, pos: start}, version: d.version, viewFlags: true}
		if value, secondErr := again.whole(); secondErr == nil {
			return value, nil
		}
	}
	return value, err
}

// decoder reads one value. V8 numbers objects in the order in which they begin, a
// view after its buffer, and refers to those it has written already by that number.
type decoder struct {
	reader
	version   uint32
	viewFlags bool // whether views carry them
	objects   []any
	depth     int
}

// errUnreadable: from here on only the runtime that wrote the value can read it.
var errUnreadable = errors.New("an object of an unknown runtime")

func (d *decoder) header() error {
	if tag, err := d.byte(); err != nil || tag != tagVersion {
		d.pos = 0
		return d.invalid("it does not begin with a version")
	}
	version, err := d.uint32()
	if err != nil {
		return err
	}
	if version < minVersion || version > maxVersion {
		return fmt.Errorf("%w: %d, known are %d to %d", ErrVersion, version, minVersion, maxVersion)
	}
	d.version = version
	return nil
}

// whole takes the value, or all of the data if that is what it takes.
func (d *decoder) whole() (any, error) {
	value, err := d.value()
	switch {
	case errors.Is(err, errUnreadable):
		return &Opaque{Data: slices.Clone(d.data)}, nil
	case err != nil:
		return nil, err
	default:
		return value, nil
	}
}

// add gives the object the next number.
func add[T any](d *decoder, object *T) *T {
	d.objects = append(d.objects, object)
	return object
}

func (d *decoder) value() (any, error) {
	value, err := d.valueWithoutView()
	if err != nil {
		return nil, err
	}
	if buffer, ok := value.(*ArrayBuffer); ok && d.skipTag(tagView) {
		return d.view(buffer)
	}
	return value, nil
}

func (d *decoder) valueWithoutView() (any, error) {
	for d.skipTag(tagObjectCount) {
		if _, err := d.uint32(); err != nil {
			return nil, err
		}
	}
	d.peekTag() // skips padding
	tag, err := d.byte()
	if err != nil {
		return nil, err
	}
	switch tag {
	case tagUndefined:
		return Undefined{}, nil
	case tagNull:
		return Null{}, nil
	case tagTrue, tagFalse:
		return tag == tagTrue, nil
	case tagInt32:
		n, err := d.int32()
		return float64(n), err
	case tagUint32:
		n, err := d.uint32()
		return float64(n), err
	case tagDouble:
		return d.double()
	case tagBigInt:
		return d.bigInt()
	case tagLatin1String, tagUTF16String, tagUTF8String:
		return d.text(tag)
	case tagReference:
		return d.reference()
	case tagTransferredBuffer, tagSharedBuffer, tagSharedObject, tagWasmModule, tagWasmMemory:
		return nil, errUnreadable
	default:
		return d.object(tag)
	}
}

func (d *decoder) reference() (any, error) {
	id, err := d.uint32()
	if err != nil {
		return nil, err
	}
	if uint64(id) >= uint64(len(d.objects)) {
		return nil, d.invalid("a reference to object %d of %d", id, len(d.objects))
	}
	return d.objects[id], nil
}

// object takes an object whose first byte is tag.
func (d *decoder) object(tag byte) (any, error) {
	if d.depth == MaxDepth {
		return nil, fmt.Errorf("%w: at most %d", ErrTooDeep, MaxDepth)
	}
	d.depth++
	defer func() { d.depth-- }()
	switch tag {
	case tagObject:
		return d.plainObject()
	case tagDenseArray:
		return d.denseArray()
	case tagSparseArray:
		return d.sparseArray()
	case tagMap:
		return d.mapObject()
	case tagSet:
		return d.set()
	case tagError:
		return d.errorObject()
	case tagHost:
		return d.host()
	case tagDate:
		ms, err := d.double()
		return add(d, &Date{UnixMs: clipTime(ms)}), err
	case tagRegExp:
		return d.regExp()
	case tagArrayBuffer, tagResizable:
		return d.arrayBuffer(tag == tagResizable)
	default:
		return d.boxed(tag)
	}
}

// clipTime gives the time that a Date holds when it is given one.
func clipTime(ms float64) float64 {
	if math.IsNaN(ms) || math.Abs(ms) > maxDateMs {
		return math.NaN()
	}
	return math.Trunc(ms) + 0 // which makes 0 of -0
}

func (d *decoder) boxed(tag byte) (any, error) {
	box := &Boxed{}
	var err error
	switch tag {
	case tagTrueObject, tagFalseObject:
		box.Primitive = tag == tagTrueObject
	case tagNumberObject:
		box.Primitive, err = d.double()
	case tagBigIntObject:
		box.Primitive, err = d.bigInt()
	case tagStringObject:
		box.Primitive, err = d.taggedText()
	default:
		d.pos--
		return nil, d.invalid("no value begins with %q", tag)
	}
	return add(d, box), err
}

func (d *decoder) regExp() (any, error) {
	source, err := d.taggedText()
	if err != nil {
		return nil, err
	}
	flags, err := d.uint32()
	if err != nil {
		return nil, err
	}
	expression := &RegExp{Source: source, Flags: RegExpFlags(flags)}
	if !expression.Flags.valid() {
		return nil, d.invalid("flags of a regular expression that cannot stand together")
	}
	return add(d, expression), nil
}

// host takes an object of the runtime. Deno writes what it is made from as a value;
// what others write has no mark at its end.
func (d *decoder) host() (any, error) {
	kind, err := d.uint32()
	if err != nil {
		return nil, err
	}
	if kind != denoHostObject {
		return nil, errUnreadable
	}
	host := add(d, &Host{})
	host.Value, err = d.value()
	return host, err
}
