package v8value

import "slices"

func (d *decoder) plainObject() (any, error) {
	object := add(d, &Object{})
	var err error
	object.Properties, err = d.properties(tagObjectEnd, nil)
	return object, err
}

func (d *decoder) denseArray() (any, error) {
	length, err := d.uint32()
	if err != nil {
		return nil, err
	}
	if uint64(length) > uint64(d.remaining()) { //nolint:gosec // never negative
		return nil, d.invalid("an array of %d elements in %d bytes", length, d.remaining())
	}
	array := add(d, &Array{Length: length})
	for range length {
		var element any = Hole{}
		if !d.skipTag(tagHole) {
			if element, err = d.value(); err != nil {
				return nil, err
			}
		}
		array.Elements = append(array.Elements, element)
	}
	array.Properties, err = d.properties(tagDenseEnd, array)
	if err != nil {
		return nil, err
	}
	return array, d.count(length)
}

func (d *decoder) sparseArray() (any, error) {
	length, err := d.uint32()
	if err != nil {
		return nil, err
	}
	array := add(d, &Array{Length: length})
	array.Properties, err = d.properties(tagSparseEnd, array)
	if err != nil {
		return nil, err
	}
	return array, d.count(length)
}

// count takes a number that must be the given one: what the writer had counted.
func (d *decoder) count(want uint32) error {
	n, err := d.uint32()
	if err == nil && n != want {
		err = d.invalid("%d parts where %d are announced", want, n)
	}
	return err
}

// properties takes properties up to the end tag and their number behind it. Array is
// the array that they belong to, if any.
func (d *decoder) properties(end byte, array *Array) ([]Property, error) {
	var properties []Property
	var keys keySet
	for !d.skipTag(end) {
		key, err := d.propertyKey()
		if err != nil {
			return nil, err
		}
		if !keys.add(key, properties) || array != nil && !array.hasRoomFor(key) {
			return nil, d.invalid("a property that an object cannot have, or has already")
		}
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		properties = append(properties, Property{key, value})
	}
	return properties, d.count(uint32(len(properties))) //nolint:gosec // less than the input has bytes
}

func (d *decoder) propertyKey() (string, error) {
	key, err := d.value()
	if err != nil {
		return "", err
	}
	switch key := key.(type) {
	case string:
		return key, nil
	case float64:
		return numberKey(key), nil
	default:
		return "", d.invalid("a property key that is neither a string nor a number")
	}
}

// hasRoomFor tells whether the array can have a property with this key: any but its
// length, and an index that is taken or not below it.
func (a *Array) hasRoomFor(key string) bool {
	index, ok := arrayIndex(key)
	if !ok {
		return key != "length"
	}
	if index >= a.Length {
		return false
	}
	return len(a.Elements) == 0 || a.Elements[index] == any(Hole{})
}

// keySet tells which keys an object has, so that none comes twice. It is made only
// for objects of many.
type keySet struct {
	seen map[string]struct{}
}

// add adds a key to those of properties; it reports false if it is one of them.
func (s *keySet) add(key string, properties []Property) bool {
	if len(properties) < fewProperties {
		return !slices.ContainsFunc(properties, func(p Property) bool { return p.Key == key })
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{}, 2*fewProperties)
		for _, property := range properties {
			s.seen[property.Key] = struct{}{}
		}
	}
	_, found := s.seen[key]
	s.seen[key] = struct{}{}
	return !found
}

func (d *decoder) mapObject() (any, error) {
	object := add(d, &Map{})
	for !d.skipTag(tagMapEnd) {
		var entry MapEntry
		var err error
		if entry.Key, err = d.value(); err != nil {
			return nil, err
		}
		if entry.Value, err = d.value(); err != nil {
			return nil, err
		}
		object.Entries = append(object.Entries, entry)
	}
	return object, d.count(2 * uint32(len(object.Entries))) //nolint:gosec // less than the input has bytes
}

func (d *decoder) set() (any, error) {
	set := add(d, &Set{})
	for !d.skipTag(tagSetEnd) {
		element, err := d.value()
		if err != nil {
			return nil, err
		}
		set.Elements = append(set.Elements, element)
	}
	return set, d.count(uint32(len(set.Elements))) //nolint:gosec // less than the input has bytes
}

// errorObject takes an error, whose parts may come in any order: V8 has changed it.
func (d *decoder) errorObject() (any, error) {
	object := add(d, &Error{Class: ClassError})
	for {
		tag, err := d.byte()
		if err != nil {
			return nil, err
		}
		switch tag {
		case errorTagEnd:
			return object, nil
		case errorTagMessage, errorTagStack:
			text, err := d.taggedText()
			if err != nil {
				return nil, err
			}
			if tag == errorTagMessage {
				object.Message = &text
			} else {
				object.Stack = &text
			}
		case errorTagCause:
			if object.Cause, err = d.value(); err != nil {
				return nil, err
			}
		default:
			class, known := errorClasses[tag]
			if !known {
				return nil, d.invalid("no part of an error begins with %q", tag)
			}
			object.Class = class
		}
	}
}
