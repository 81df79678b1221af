package v8value

func (e *encoder) arrayBuffer(buffer *ArrayBuffer) error {
	if !buffer.Resizable {
		e.tag(tagArrayBuffer)
		return e.block(buffer.Data)
	}
	if uint64(len(buffer.Data)) > uint64(buffer.MaxByteLength) {
		return unencodable("a buffer that is longer than it can be")
	}
	e.tag(tagResizable)
	if err := e.length(len(buffer.Data)); err != nil {
		return err
	}
	e.uint32(buffer.MaxByteLength)
	e.out = append(e.out, buffer.Data...)
	return nil
}

// view writes the buffer of a view before it, or a reference to it.
func (e *encoder) view(view *View) error {
	if problem := view.check(); problem != "" {
		return unencodable("%s", problem)
	}
	if err := e.object(view.Buffer); err != nil {
		return err
	}
	e.begin(view)
	e.tag(tagView)
	e.uint32(uint32(view.Kind))
	e.uint32(view.ByteOffset)
	e.uint32(view.ByteLength)
	var flags uint32
	if view.LengthTracking {
		flags |= viewFlagLengthTracking
	}
	if view.Buffer.Resizable {
		flags |= viewFlagResizableBuffer
	}
	e.uint32(flags)
	return nil
}
