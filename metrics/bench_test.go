package metrics_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
)

// What one request costs, alone and with others at the same time.
func BenchmarkRequest(b *testing.B) {
	request := kvconnect.Request{
		Method: kvconnect.MethodSnapshotRead, DatabaseID: uuid.New(), Status: 200, BytesIn: 40, BytesOut: 140,
	}
	for name, options := range map[string]metrics.Options{"together": {}, "per database": {PerDatabase: true}} {
		m := metrics.New(options)
		pair := func(n int) {
			m.RequestBegun(request.Method)
			ended := request
			ended.Took = time.Duration(20_000 + n%1024*100)
			m.RequestEnded(ended)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				pair(n)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					pair(n)
				}
			})
		})
	}
}
