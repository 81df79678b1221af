package httpconn

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2/hpack"
)

// Whatever a server remembers, and however often it changes its mind, it reads the
// header fields that were meant.
func TestHeaderBlocks(t *testing.T) {
	t.Parallel()
	var routes []*Route
	for i := range 4 {
		routes = append(routes, &Route{Path: fmt.Sprintf("/path/%d", i), Header: []hpack.HeaderField{
			{Name: "authorization", Value: "Bearer abcdefghijkl"}, {Name: "x-route", Value: strconv.Itoa(i % 2)},
		}})
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		encoder := newHeaderEncoder(&url.URL{Scheme: "http", Host: "localhost:4512"})
		decoder := hpack.NewDecoder(defaultTableBytes, nil)
		changed := false
		for n := range 60 {
			if random.IntN(20) == 0 {
				size := random.Uint32N(400)
				changed = changed || size != encoder.tableBytes
				encoder.setTableBytes(size)
				decoder.SetAllowedMaxDynamicTableSize(size)
				decoder.SetMaxDynamicTableSize(size)
			}
			route := routes[random.IntN(len(routes))]
			want := append([]hpack.HeaderField{
				{Name: ":method", Value: "POST"},
				{Name: ":scheme", Value: "http"},
				{Name: ":authority", Value: "localhost:4512"},
				{Name: ":path", Value: route.Path},
			}, route.Header...)
			want = append(want, hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(n)})
			block := encoder.encode(route, n)
			if isSizeUpdate := block[0]&0xe0 == 0x20; changed && !isSizeUpdate {
				t.Fatalf("seed %d: block %d does not tell the new size of the table", seed, n)
			}
			changed = false
			got, err := decoder.DecodeFull(block)
			if err != nil {
				t.Fatalf("seed %d: block %d: %v", seed, n, err)
			}
			for i := range got {
				got[i].Sensitive = false
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: block %d (-want +got)\n%s", seed, n, diff)
			}
		}
	}
}

// In the long run a block takes a byte for each field, and the length of the body.
func TestHeaderBlocksAreShort(t *testing.T) {
	t.Parallel()
	encoder := newHeaderEncoder(&url.URL{Scheme: "http", Host: "localhost:4512"})
	routes := []*Route{{Path: "/a"}, {Path: "/b", Header: []hpack.HeaderField{{Name: "x", Value: "y"}}}}
	for range 3 {
		for _, route := range routes {
			encoder.encode(route, 0)
		}
	}
	for i, route := range routes {
		if got, want := len(encoder.encode(route, 12345)), 4+len(route.Header)+3+5; got != want {
			t.Errorf("route %d takes %d bytes, want %d", i, got, want)
		}
	}
}
