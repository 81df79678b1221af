package service

import (
	"context"
	"io"
	"net/http"

	"github.com/kvconnect/kvconnect/kvconnect"
)

// store is what is served: one database, or those of a folder.
type store interface {
	databases() kvconnect.Databases
	authenticator() kvconnect.Authenticator

	// settle is called once, when the ports are there and before anything is served.
	settle(listeners *listeners) error

	// adminHandler gives the handler of the admin listener, of which health is a part.
	adminHandler(health http.Handler) http.Handler

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

// openStore opens what the options name.
func openStore(ctx context.Context, options Options) (store, error) {
	if options.DataDir != "" {
		return openFolder(ctx, options)
	}
	return openOneDatabase(ctx, options)
}
