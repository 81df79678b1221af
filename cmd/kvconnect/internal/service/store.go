package service

import (
	"context"
	"io"
	"net/http"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/metrics"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// store is what is served: one database, or those of a folder.
type store interface {
	databases() kvconnect.Databases
	authenticator() kvconnect.Authenticator

	// settle is called once, when the ports are there and before anything is served.
	settle(listeners *listeners) error

	// adminHandler gives the handler of the admin listener: of what everybody may ask who
	// reaches it, and of profiles, which not everybody may have; nil for none.
	adminHandler(open, profiles http.Handler) http.Handler

	// openDatabases gives the databases that are open now; each may be closed at any time.
	openDatabases() []*sqlitebackend.Backend

	// sources tell metrics what there is.
	sources() metrics.Sources

	// serving is called once, when the server is made: it is to hear of keys that
	// are dropped.
	serving(server *kvconnect.Server)

	// greet tells the user how to open a database at the URL.
	greet(out io.Writer, url string)

	// attributes are for the log.
	attributes() []any

	// keepHouse does what is to be done from time to time, until ctx ends.
	keepHouse(ctx context.Context)

	// close is called once, when nothing is served any more.
	close() error
}

// openStore opens what the options name. The observer is told what databases do.
func openStore(ctx context.Context, options Options, observer sqlitebackend.Observer) (store, error) {
	if options.DataDir != "" {
		return openFolder(ctx, options, observer)
	}
	return openOneDatabase(ctx, options, observer)
}
