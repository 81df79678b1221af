package sqlitebackend

import (
	"context"
	"errors"
	"testing"

	"github.com/kvconnect/kvconnect/protocol"
)

// endlessly has a count take until its context ends, and tells when it has begun.
func endlessly(t *testing.T) (k *keyCount, begun chan struct{}) {
	t.Helper()
	begun = make(chan struct{})
	openFile := openerOfNewFile(t)
	return newKeyCount(func() (*conn, error) {
		c, err := openFile()
		if err != nil {
			return nil, err
		}
		// In the place of the table a view that has no end.
		err = c.script(`create temp view kv as with recursive n(i) as (select 1 union all select i + 1 from n) select i from n`)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		close(begun)
		return c, nil
	}), begun
}

func TestCountEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(k *keyCount, cancel func())
		want error
	}{
		"with the database": {func(k *keyCount, _ func()) { k.close() }, protocol.ErrClosed},
		"with the context":  {func(_ *keyCount, cancel func()) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, begun := endlessly(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			counted := make(chan error, 1)
			go func() { counted <- k.count(ctx) }()
			<-begun
			c.end(k, cancel)
			if err := <-counted; !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if n := k.last.Load(); n != uncounted {
				t.Errorf("%d keys were counted", n)
			}
		})
	}
}
