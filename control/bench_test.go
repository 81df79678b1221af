package control_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/kvconnect/kvconnect/control"
)

// The folder that the benchmarks are about.
const (
	benchDatabases      = 1000
	benchTokensEach     = 10
	benchTokens         = benchDatabases * benchTokensEach
	benchTokenInTheRear = benchTokens - 1
)

// fill makes the databases and tokens of the benchmarks, without waiting for the disk.
func fill(b *testing.B, path string) *control.Store {
	b.Helper()
	store := open(b, path, new(clock))
	if err := store.Exec(b.Context(), "pragma synchronous = off"); err != nil {
		b.Fatal(err)
	}
	for i := range benchDatabases {
		d := createDatabase(b, store, fmt.Sprint("database-", i))
		for j := range benchTokensEach {
			createToken(b, store, d.ID, strconv.Itoa(i*benchTokensEach+j))
		}
	}
	return store
}

func BenchmarkOpen(b *testing.B) {
	path := tempPath(b)
	closeStore(b, fill(b, path))
	for b.Loop() {
		store, err := control.Open(b.Context(), path, control.Options{})
		if err != nil {
			b.Fatal(err)
		}
		closeStore(b, store)
	}
}

func BenchmarkGrantByHash(b *testing.B) {
	store := fill(b, tempPath(b))
	hash := hashOf(strconv.Itoa(benchTokenInTheRear))
	b.ReportAllocs()
	for b.Loop() {
		if _, found := store.GrantByHash(hash); !found {
			b.Fatal("the token is not there")
		}
	}
}
