// Package transport serves HTTP/2 on a loop of its own that is made for the calls of the
// data path. On the same port, HTTP/1.1 is left to net/http. Requests over HTTP/2 that are
// none of the data path get their replies from the handler of net/http, over the loop.
//
// net/http gives every request a goroutine, and a request and a response of many parts:
// about ten times the work of the read from the database that it carries. The calls of
// the data path need little of that. Each connection here has one goroutine that takes
// frames off the socket and answers a quick call itself, and one that has the connection to
// itself; other calls go to workers. The replies to all requests that arrived together leave
// together. A feed, which is the reply to a watch, has no goroutine.
//
// Frames and header compression are read by golang.org/x/net. What a call means is for the
// Handler to say: this package knows of connections, streams, windows and time.
package transport
