package v8value

import "slices"

func (d *decoder) arrayBuffer(resizable bool) (any, error) {
	length, err := d.uint32()
	if err != nil {
		return nil, err
	}
	buffer := &ArrayBuffer{Resizable: resizable}
	if resizable {
		if buffer.MaxByteLength, err = d.uint32(); err != nil {
			return nil, err
		}
		if buffer.MaxByteLength < length {
			return nil, d.invalid("a buffer that is longer than it can be")
		}
	}
	raw, err := d.bytes(length)
	if err != nil {
		return nil, err
	}
	buffer.Data = slices.Clone(raw)
	return add(d, buffer), nil
}

// view takes a view after its tag.
func (d *decoder) view(buffer *ArrayBuffer) (any, error) {
	kind, err := d.uint32()
	if err != nil {
		return nil, err
	}
	view := &View{Kind: ViewKind(kind), Buffer: buffer} //nolint:gosec // V8 drops what is beyond a byte, too
	if view.ByteOffset, err = d.uint32(); err != nil {
		return nil, err
	}
	if view.ByteLength, err = d.uint32(); err != nil {
		return nil, err
	}
	var flags uint32
	if d.viewFlags {
		if flags, err = d.uint32(); err != nil {
			return nil, err
		}
	}
	if resizable := flags&viewFlagResizableBuffer != 0; resizable != buffer.Resizable {
		return nil, d.invalid("a view whose flags are not those of its buffer")
	}
	view.LengthTracking = flags&viewFlagLengthTracking != 0
	if problem := view.check(); problem != "" {
		return nil, d.invalid("%s", problem)
	}
	return add(d, view), nil
}
