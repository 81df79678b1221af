package kvconnect_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/kvconnect/kvconnect/transport"
	"google.golang.org/protobuf/proto"
)

// BenchmarkTokenCheck makes point reads in SQLite, from the admission of the request to the
// bytes of the reply, and reports which share of that is the check of the data path token:
// of one that was verified before, of one that never was, and where nothing is checked. What
// the transport costs is not part of it.
func BenchmarkTokenCheck(b *testing.B) {
	id := uuid.New()
	backend, err := sqlitebackend.Open(sqlitebackend.Options{Path: filepath.Join(b.TempDir(), "kv.sqlite"), NewDatabaseID: id})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := backend.Close(); err != nil {
			b.Error(err)
		}
	})
	body := storeEntries(b, backend)
	authority, keys := oneDatabaseAuthority(b, id)
	grant, err := authority.Authorize(b.Context(), accessToken, "")
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := authority.IssueDataPathToken(grant)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		auth   kvconnect.Authenticator
		before func() // each read
	}{
		{"none", trusting{authority, grant}, func() {}},
		{"cached", authority, func() {}},
		{"uncached", authority, func() { authority.SetKeys(keys) }}, // which forgets what was verified
	} {
		b.Run(c.name, func(b *testing.B) {
			server := kvconnect.New(kvconnect.Options{Databases: kvconnect.OneDatabase(id, backend), Auth: c.auth})
			request := transport.Request{Method: http.MethodPost, Path: "/v2/snapshot_read", Header: callHeader(token, id)}
			read := func() {
				c.before()
				call, refusal := server.Admit(request)
				if refusal != nil {
					b.Fatalf("refused: %s", refusal.Body)
				}
				call.Receive(body)
				if reply := call.Serve(context.Background(), nil); reply.Head.Status != http.StatusOK {
					b.Fatalf("status %d: %s", reply.Head.Status, reply.Body)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
			reportCheck(b, func() {
				c.before()
				if _, err := c.auth.VerifyDataPathToken(token); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// reportCheck measures the check alone as often as it was made, and reports its share.
func reportCheck(b *testing.B, check func()) {
	b.Helper()
	reads := b.Elapsed()
	start := time.Now()
	for range b.N {
		check()
	}
	checks := time.Since(start)
	b.ReportMetric(float64(checks.Nanoseconds())/float64(b.N), "check-ns/op")
	b.ReportMetric(100*checks.Seconds()/reads.Seconds(), "%check")
}

// trusting is an Authenticator that checks nothing on the data path.
type trusting struct {
	*auth.Authority
	grant *access.Grant
}

func (t trusting) VerifyDataPathToken(string) (*access.Grant, error) { return t.grant, nil }

// oneDatabaseAuthority is what a server of one file has.
func oneDatabaseAuthority(b *testing.B, id uuid.UUID) (*auth.Authority, *auth.KeyRing) {
	b.Helper()
	keys, err := auth.NewKeyRing([]auth.Key{auth.GenerateKey(time.Now())})
	if err != nil {
		b.Fatal(err)
	}
	master, err := auth.HashAccessToken(accessToken)
	if err != nil {
		b.Fatal(err)
	}
	registry := auth.NewOneDatabase(id, "", access.NewMeter(access.Limits{}))
	return auth.New(auth.Options{Registry: registry, Keys: keys, Master: &master}), keys
}

// storeEntries stores ten thousand entries, and gives the body of a read of one of them.
func storeEntries(b *testing.B, backend kvconnect.Backend) (body []byte) {
	b.Helper()
	const writes, mutations = 10, 1000
	for i := range writes {
		var write protocol.AtomicWrite
		for j := range mutations {
			write.Mutations = append(write.Mutations, protocol.Mutation{
				Type: protocol.MutationSet, Key: fmt.Appendf(nil, "\x02%06d\x00", i*mutations+j),
				Value: protocol.Value{Data: make([]byte, 100), Encoding: protocol.EncodingBytes},
			})
		}
		if _, err := backend.AtomicWrite(b.Context(), write); err != nil {
			b.Fatal(err)
		}
	}
	body, err := proto.Marshal(&datapath.SnapshotRead{Ranges: []*datapath.ReadRange{
		{Start: []byte("\x02005000\x00"), End: []byte("\x02005000\x00\x00"), Limit: 1},
	}})
	if err != nil {
		b.Fatal(err)
	}
	return body
}
