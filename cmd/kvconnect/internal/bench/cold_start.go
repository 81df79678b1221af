package bench

import (
	"bytes"
	"context"
	"math/rand/v2"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
)

// coldStartWorker does what a program does that starts, reads once and ends.
type coldStartWorker struct {
	environment *environment
	random      *rand.Rand
	maker       messageMaker
	key         []byte
	call        httpconn.Call
}

func newColdStartWorker(e *environment, i int) worker {
	return &coldStartWorker{environment: e, random: e.random(i)}
}

func (w *coldStartWorker) operate(ctx context.Context) (conflicts uint64, err error) {
	s := w.environment.session
	conn, err := httpconn.Dial(ctx, s.server.URL, s.http, s.timeout)
	if err != nil {
		return 0, err
	}
	defer func() { conn.Close() }()
	database, err := exchange(ctx, conn, s.server, s.route)
	if err != nil {
		return 0, err
	}
	if conn.Broken() || database.endpoint.Host != s.server.URL.Host || database.endpoint.Scheme != s.server.URL.Scheme {
		conn.Close()
		if conn, err = httpconn.Dial(ctx, database.endpoint, s.http, s.timeout); err != nil {
			return 0, err
		}
	}
	entries := w.environment.entries
	w.key = entries.appendKey(w.key[:0], w.random.IntN(entries.count))
	reply, err := dataPathCall(ctx, conn, &w.call, database.snapshotRead, w.maker.readKey(w.key))
	if err != nil {
		return 0, err
	}
	found := 0
	err = parseRead(reply, database.version, func(e entry) error {
		found++
		if !bytes.Equal(e.key, w.key) {
			return wrongReply("a get gave the entry of another key")
		}
		return entries.check(e)
	})
	if err == nil && found != 1 {
		err = wrongReply("a get gave %d entries, not 1", found)
	}
	return 0, err
}
