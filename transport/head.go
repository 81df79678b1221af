package transport

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http2/hpack"
)

// Head is the status of a reply and its fields but for Content-Length and Date. It must
// not be changed after its first use. It is safe for concurrent use.
type Head struct {
	Status int
	Fields []Field

	once  sync.Once
	block []byte // set by once
}

// Field is a field of a head, with its name in any case.
type Field struct{ Name, Value string }

// encoded gives the block of the head, which is the same for each connection: it leaves
// their tables alone.
func (h *Head) encoded() []byte {
	h.once.Do(func() {
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		encoder.SetMaxDynamicTableSizeLimit(0)
		write := func(name, value string) {
			// Writing to a bytes.Buffer does not fail.
			_ = encoder.WriteField(hpack.HeaderField{Name: name, Value: value})
		}
		write("first", "") // has the table emptied, which a client need be told of by no reply
		block.Reset()
		write(":status", strconv.Itoa(h.Status))
		for _, field := range h.Fields {
			write(strings.ToLower(field.Name), field.Value)
		}
		h.block = block.Bytes()
	})
	return h.block
}
