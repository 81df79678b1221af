// Package kvconnect is the KV Connect server: it speaks the metadata exchange and
// the data path over HTTP, and leaves the data to Databases and the tokens to an
// Authenticator.
//
//	databases := kvconnect.OneDatabase(id, backend)
//	server := kvconnect.New(kvconnect.Options{Databases: databases, Auth: authority})
//	httpServer := kvconnect.NewHTTPServer(server, logger)
//	carrier := transport.New(httpServer, server, transport.Options{Logger: logger})
//
// Every call is one file. An error becomes the reply, and status.go holds the one
// table that says with which HTTP status.
//
// A Server is two handlers in one. To package transport it is the transport.Handler
// of the data path, whose calls know nothing of what carries them. To net/http it is
// the http.Handler of everything: ServeHTTP gives the data path to those same calls,
// and serves the metadata exchange and the health checks besides.
package kvconnect
