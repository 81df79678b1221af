// Package kvconnect is the KV Connect server: it speaks the metadata exchange and
// the data path over HTTP, and leaves the data to a Backend and the tokens to an
// Authenticator.
//
//	server := kvconnect.New(kvconnect.Options{DatabaseID: id, Backend: backend, Auth: authority})
//	httpServer := kvconnect.NewHTTPServer(server, logger)
//
// Every call is one file. A handler returns an error, and status.go holds the one
// table that says which HTTP status it becomes.
package kvconnect
