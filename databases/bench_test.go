package databases_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/databases"
)

// What a loan of an open database costs, alone and while others borrow the same or others.
func BenchmarkLend(b *testing.B) {
	for _, open := range []int{1, 100} {
		pool := databases.Open(databases.Options{Open: newShelf().Open, MaxOpen: open})
		ids := make([]uuid.UUID, open)
		for n := range ids {
			ids[n] = numbered(n)
			lendAndRelease(b, pool, ids[n])
		}
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				lendAndRelease(b, pool, ids[n%open])
			}
		})
		b.Run(fmt.Sprintf("open=%d/parallel", open), func(b *testing.B) {
			b.ReportAllocs()
			var first atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for n := int(first.Add(7)); pb.Next(); n++ {
					lendAndRelease(b, pool, ids[n%open])
				}
			})
		})
		if err := pool.Close(); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkColdLend has every loan close a database and open another.
func BenchmarkColdLend(b *testing.B) {
	for _, open := range []int{1, 100} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			pool := databases.Open(databases.Options{Open: newShelf().Open, MaxOpen: open})
			for n := 0; b.Loop(); n++ {
				lendAndRelease(b, pool, numbered(n%(open+1)))
			}
			if err := pool.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

func lendAndRelease(b *testing.B, pool *databases.Pool, id uuid.UUID) {
	b.Helper()
	database, err := pool.Lend(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	database.Release()
}
