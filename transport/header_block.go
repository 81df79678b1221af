package transport

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// fieldOverheadBytes is what a field counts for beside its name and value (RFC 9113,
// 10.5.1).
const fieldOverheadBytes = 32

// headerBlock is the header of the request that is being read.
type headerBlock struct {
	requestHeader

	decoder  *hpack.Decoder
	maxBytes int
	memo     headerMemo

	open       bool // frames of it are still to come
	id         uint32
	ended      bool // the request has no body
	listBytes  int
	blockBytes int
	tooLarge   bool
	malformed  bool
}

// requestHeader is what a header says. It is a Header.
type requestHeader struct {
	method, scheme, authority, path string
	fields                          []hpack.HeaderField // without those, in lower case
	contentLength                   int64               // -1 for none
}

func (h *headerBlock) init(maxListBytes int) {
	h.maxBytes = maxListBytes
	h.decoder = hpack.NewDecoder(defaultTableBytes, h.add)
	// What is read in vain is bounded by decode, and the string of a field by this.
	h.decoder.SetMaxStringLength(hugeHeaderFactor * maxListBytes)
}

// defaultTableBytes is the table that HPACK begins with, and stays with here.
const defaultTableBytes = 4096

// begin forgets the header read before.
func (h *headerBlock) begin(id uint32, ended bool) {
	h.requestHeader = requestHeader{contentLength: -1}
	h.open, h.id, h.ended = true, id, ended
	h.listBytes, h.blockBytes = 0, 0
	h.tooLarge, h.malformed = false, false
}

// read takes a part of the block.
func (h *headerBlock) read(fragment []byte, last bool) error {
	if !last || h.blockBytes > 0 {
		h.memo.forget() // the parts of a block are not looked into
		return h.decode(fragment, last)
	}
	if known := h.memo.find(fragment); known != nil {
		h.requestHeader, h.open = *known, false
		return nil
	}
	err := h.decode(fragment, true)
	switch {
	case !leavesTable(fragment):
		h.memo.forget() // also if the request is refused
	case err == nil && !h.tooLarge && !h.malformed:
		h.memo.note(fragment, &h.requestHeader)
	}
	return err
}

func (h *headerBlock) decode(fragment []byte, last bool) error {
	h.blockBytes += len(fragment)
	if h.blockBytes > maxBlockFactor*h.maxBytes {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if _, err := h.decoder.Write(fragment); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	if h.listBytes > hugeHeaderFactor*h.maxBytes {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if !last {
		return nil
	}
	h.open = false
	if h.decoder.Close() != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	return nil
}

// add takes a field.
func (h *headerBlock) add(field hpack.HeaderField) {
	if h.listBytes += len(field.Name) + len(field.Value) + fieldOverheadBytes; h.listBytes > h.maxBytes {
		h.tooLarge = true
		return
	}
	if strings.ContainsAny(field.Value, "\x00\r\n") {
		h.malformed = true
		return
	}
	if strings.HasPrefix(field.Name, ":") {
		h.addPseudo(field)
		return
	}
	if !isFieldName(field.Name) || isOfConnection(field) {
		h.malformed = true
		return
	}
	if field.Name == "content-length" {
		h.addContentLength(field.Value)
	}
	if h.fields == nil {
		h.fields = make([]hpack.HeaderField, 0, usualFields)
	}
	h.fields = append(h.fields, field)
}

// usualFields is how many a program sends with a call.
const usualFields = 8

// addPseudo takes a field of the request line, of which each comes once and before others.
func (h *headerBlock) addPseudo(field hpack.HeaderField) {
	var target *string
	switch field.Name {
	case ":method":
		target = &h.method
	case ":scheme":
		target = &h.scheme
	case ":authority":
		target = &h.authority
	case ":path":
		target = &h.path
	}
	if target == nil || *target != "" || field.Value == "" || len(h.fields) > 0 {
		h.malformed = true
		return
	}
	*target = field.Value
}

// addContentLength accepts the same length more than once, as HTTP does.
func (h *headerBlock) addContentLength(value string) {
	length, err := strconv.ParseUint(value, 10, 63)
	if err != nil || h.contentLength >= 0 && h.contentLength != int64(length) {
		h.malformed = true
		return
	}
	h.contentLength = int64(length)
}

// isFieldName tells whether a name may be one in HTTP/2: a token without capitals.
func isFieldName(name string) bool {
	for i := range len(name) {
		if !fieldNameBytes[name[i]] {
			return false
		}
	}
	return name != ""
}

var fieldNameBytes = func() (allowed [256]bool) {
	for _, b := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		allowed[b] = true
	}
	return allowed
}()

// isOfConnection tells whether a field is about the connection, which HTTP/2 has no use for.
func isOfConnection(field hpack.HeaderField) bool {
	return slices.Contains(fieldsOfConnection, field.Name) || field.Name == "te" && field.Value != "trailers"
}

// fieldsOfConnection have no place in HTTP/2.
var fieldsOfConnection = []string{"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}

// check fails if the header cannot be one of a request.
func (h *headerBlock) check() error {
	if h.tooLarge {
		return nil // it is not all here
	}
	isConnect := h.method == "CONNECT"
	switch {
	case h.malformed || h.method == "":
		return errMalformed
	case isConnect && (h.authority == "" || h.scheme != "" || h.path != ""):
		return errMalformed
	case !isConnect && (h.scheme == "" || h.path == ""):
		return errMalformed
	case h.ended && h.contentLength > 0:
		return errMalformed
	}
	return nil
}

var errMalformed = errors.New("malformed request")

// Get implements Header.
func (h *requestHeader) Get(name string) string {
	for i := range h.fields {
		if field := &h.fields[i]; len(field.Name) == len(name) && strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}
