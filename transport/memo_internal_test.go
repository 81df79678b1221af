package transport

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// memoBlocks makes blocks of headers that come again, change the table, shrink it, are
// malformed or are too large, with the table of a client.
type memoBlocks struct {
	random *rand.Rand
	table  [][2]string // the newest first, as the decoder has it
	sent   [][]byte
}

func memoString(b []byte, value string) []byte {
	b = append(b, byte(len(value)))
	return append(b, value...)
}

var memoFields = [][2]string{
	{"authorization", "Bearer secret"},
	{"x-a", "1"},
	{"x-a", "2"},
	{"X-Capital", "1"},
	{"connection", "close"},
	{"content-length", "3"},
	{"content-length", "4"},
	{"x-long", strings.Repeat("l", 100)},
}

func (m *memoBlocks) next() []byte {
	if len(m.sent) > 0 && m.random.IntN(2) == 0 {
		return m.sent[m.random.IntN(len(m.sent))]
	}
	var b []byte
	if m.random.IntN(20) == 0 {
		b = append(b, 0x20, 0x3f, 0xe1, 0x1f) // the table is emptied
		m.table = nil
	}
	b = append(b, 0x83, 0x86, 0x84) // POST, http, /
	for range m.random.IntN(4) {
		field := memoFields[m.random.IntN(len(memoFields))]
		switch m.random.IntN(6) {
		case 0: // into the table
			b = memoString(memoString(append(b, 0x40), field[0]), field[1])
			m.table = append([][2]string{field}, m.table...)
		case 1:
			b = memoString(memoString(append(b, 0x10), field[0]), field[1])
		case 2:
			b = memoString(memoString(append(b, 0x00), field[0]), field[1])
		default:
			if n := min(len(m.table), 20); n > 0 {
				b = append(b, 0x80|byte(62+m.random.IntN(n)))
			}
		}
	}
	m.sent = append(m.sent, b)
	if len(m.sent) > 24 {
		m.sent = m.sent[1:]
	}
	return b
}

// A block must mean with the memo what it means without, whatever came before it.
func TestMemoMakesNoDifference(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		blocks := memoBlocks{random: rand.New(rand.NewPCG(seed, 1))}
		var with, without headerBlock
		with.init(300)
		without.init(300)
		for range 300 {
			block := blocks.next()
			cut := len(block)
			if blocks.random.IntN(8) == 0 {
				cut = blocks.random.IntN(len(block))
			}
			without.memo.forget()
			var errs [2]error
			for i, h := range []*headerBlock{&with, &without} {
				h.begin(1, true)
				if cut < len(block) {
					errs[i] = h.read(block[:cut], false)
				}
				if errs[i] == nil {
					errs[i] = h.read(block[cut*btoi(cut < len(block)):], true)
				}
			}
			if got, want := memoMeaning(&with, errs[0]), memoMeaning(&without, errs[1]); got != want {
				t.Fatalf("seed %d, block %x:\nwith    %s\nwithout %s", seed, block, got, want)
			}
			if errs[0] != nil {
				break // the connection ends
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func memoMeaning(h *headerBlock, err error) string {
	if err != nil || h.tooLarge || h.malformed {
		return fmt.Sprint(err, h.tooLarge, h.malformed)
	}
	return fmt.Sprintf("%+v", h.requestHeader)
}

// A request that is refused for its header may still change the table.
func TestMemoAndARefusedBlock(t *testing.T) {
	t.Parallel()
	known := []byte{0x83, 0x86, 0x84, 0x80 | 62} // and the newest field of the table
	for name, refused := range map[string][]byte{
		"malformed": memoString(memoString([]byte{0x40}, "X-Capital"), "1"),
		"too large": memoString(memoString([]byte{0x83, 0x86, 0x84, 0x40}, "x-long"), strings.Repeat("l", 100)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h headerBlock
			h.init(250)
			alice := memoString(memoString([]byte{0x40}, "x-user"), "alice")
			for _, block := range [][]byte{alice, known, known, known, refused, known} {
				h.begin(1, true)
				if err := h.read(block, true); err != nil {
					t.Fatal(err)
				}
			}
			if len(h.fields) > 0 && h.fields[0].Value == "alice" {
				t.Errorf("the newest field of the table is taken to be %v", h.fields[0])
			}
		})
	}
}

// The walk over a block must see an end where the decoder does.
func FuzzMemoLeavesTable(f *testing.F) {
	f.Add([]byte{0x83, 0x86, 0x84, 0x10, 1, 'a', 1, 'b'})
	f.Add([]byte{0x0f, 0xff, 0xff, 0x01, 0x00})
	f.Add([]byte{0x1f, 0x80, 0x00, 0x00})
	f.Fuzz(func(t *testing.T, block []byte) {
		var h headerBlock
		h.init(1 << 16)
		// With fields in the table, whose places tell of a change.
		table := memoString(memoString([]byte{0x40}, "x-user"), "alice")
		table = memoString(memoString(append(table, 0x40), "x-other"), "bob")
		h.begin(1, true)
		if err := h.read(table, true); err != nil {
			t.Fatal(err)
		}
		h.begin(3, true)
		if h.read(block, true) != nil || !leavesTable(block) {
			return
		}
		h.memo.forget()
		h.begin(5, true)
		if err := h.read([]byte{0x80 | 62, 0x80 | 63}, true); err != nil {
			t.Fatalf("after %x: %v", block, err)
		}
		want := []hpack.HeaderField{{Name: "x-other", Value: "bob"}, {Name: "x-user", Value: "alice"}}
		if !slices.Equal(h.fields, want) {
			t.Errorf("after %x the table holds %v", block, h.fields)
		}
	})
}
