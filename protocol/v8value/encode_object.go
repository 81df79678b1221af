package v8value

import "math/big"

// object writes an object, or a reference to it if it was begun before.
func (e *encoder) object(value any) error {
	if !isObject(value) {
		return unencodable("%T, or nil", value)
	}
	if id, found := e.ids[value]; found {
		e.tag(tagReference)
		e.uint32(id)
		return nil
	}
	if e.depth == MaxDepth {
		return ErrTooDeep
	}
	e.depth++
	defer func() { e.depth-- }()
	if view, ok := value.(*View); ok {
		return e.view(view)
	}
	e.begin(value)
	switch value := value.(type) {
	case *Object:
		e.tag(tagObject)
		return e.properties(tagObjectEnd, value.Properties, nil)
	case *Array:
		return e.array(value)
	case *Map:
		return e.mapObject(value)
	case *Set:
		return e.set(value)
	case *Error:
		return e.errorObject(value)
	case *Host:
		e.tag(tagHost)
		e.uint32(denoHostObject)
		return e.value(value.Value)
	case *Date:
		e.tag(tagDate)
		e.double(clipTime(value.UnixMs))
		return nil
	case *RegExp:
		return e.regExp(value)
	case *ArrayBuffer:
		return e.arrayBuffer(value)
	case *Boxed:
		return e.boxed(value)
	default:
		return unencodable("%T", value)
	}
}

// begin gives the object the next number.
func (e *encoder) begin(object any) {
	if e.ids == nil {
		e.ids = make(map[any]uint32)
	}
	e.ids[object] = uint32(len(e.ids)) //nolint:gosec // each takes more than a byte
}

// isObject tells whether value is a pointer to an object that can be a part of a
// value.
func isObject(value any) bool {
	switch value := value.(type) {
	case *Object:
		return value != nil
	case *Array:
		return value != nil
	case *Map:
		return value != nil
	case *Set:
		return value != nil
	case *Error:
		return value != nil
	case *Host:
		return value != nil
	case *Date:
		return value != nil
	case *RegExp:
		return value != nil
	case *ArrayBuffer:
		return value != nil
	case *View:
		return value != nil
	case *Boxed:
		return value != nil
	default:
		return false
	}
}

// properties writes properties, their end and their number. Array is the array that
// they belong to, if any.
func (e *encoder) properties(end byte, properties []Property, array *Array) error {
	var keys keySet
	for i, property := range properties {
		if !keys.add(property.Key, properties[:i]) || array != nil && !array.hasRoomFor(property.Key) {
			return unencodable("a property that an object cannot have, or has already")
		}
		if index, ok := arrayIndex(property.Key); ok {
			e.number(float64(index))
		} else if err := e.text(property.Key); err != nil {
			return err
		}
		if err := e.value(property.Value); err != nil {
			return err
		}
	}
	e.tag(end)
	return e.length(len(properties))
}

func (e *encoder) array(array *Array) error {
	end := byte(tagDenseEnd)
	switch {
	case uint64(len(array.Elements)) == uint64(array.Length):
		e.tag(tagDenseArray)
		e.uint32(array.Length)
		for _, element := range array.Elements {
			if element == any(Hole{}) {
				e.tag(tagHole)
			} else if err := e.value(element); err != nil {
				return err
			}
		}
	case len(array.Elements) == 0:
		end = tagSparseEnd
		e.tag(tagSparseArray)
		e.uint32(array.Length)
	default:
		return unencodable("an array of length %d with %d elements", array.Length, len(array.Elements))
	}
	if err := e.properties(end, array.Properties, array); err != nil {
		return err
	}
	e.uint32(array.Length)
	return nil
}

func (e *encoder) mapObject(object *Map) error {
	e.tag(tagMap)
	for _, entry := range object.Entries {
		if err := e.value(entry.Key); err != nil {
			return err
		}
		if err := e.value(entry.Value); err != nil {
			return err
		}
	}
	e.tag(tagMapEnd)
	return e.length(2 * len(object.Entries))
}

func (e *encoder) set(set *Set) error {
	e.tag(tagSet)
	for _, element := range set.Elements {
		if err := e.value(element); err != nil {
			return err
		}
	}
	e.tag(tagSetEnd)
	return e.length(len(set.Elements))
}

// errorObject writes the cause last, which every V8 reads: a new one expects it
// there, the old ones take any order.
func (e *encoder) errorObject(object *Error) error {
	e.tag(tagError)
	if tag, known := errorClassTags[object.Class]; known {
		e.tag(tag)
	} else if object.Class != ClassError {
		return unencodable("an error of the class %q", object.Class)
	}
	if object.Message != nil {
		e.tag(errorTagMessage)
		if err := e.text(*object.Message); err != nil {
			return err
		}
	}
	if object.Stack != nil {
		e.tag(errorTagStack)
		if err := e.text(*object.Stack); err != nil {
			return err
		}
	}
	if object.Cause != nil {
		e.tag(errorTagCause)
		if err := e.value(object.Cause); err != nil {
			return err
		}
	}
	e.tag(errorTagEnd)
	return nil
}

func (e *encoder) regExp(expression *RegExp) error {
	if !expression.Flags.valid() {
		return unencodable("flags of a regular expression that cannot stand together")
	}
	e.tag(tagRegExp)
	if err := e.text(expression.Source); err != nil {
		return err
	}
	e.uint32(uint32(expression.Flags))
	return nil
}

func (e *encoder) boxed(box *Boxed) error {
	switch primitive := box.Primitive.(type) {
	case bool:
		e.tag(choose(primitive, tagTrueObject, tagFalseObject))
		return nil
	case float64:
		e.tag(tagNumberObject)
		e.double(primitive)
		return nil
	case *big.Int:
		return e.bigInt(tagBigIntObject, primitive)
	case string:
		e.tag(tagStringObject)
		return e.text(primitive)
	default:
		return unencodable("an object around %T", primitive)
	}
}
