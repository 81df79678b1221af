// Package httpconn makes HTTP calls over connections that its caller opens, counts
// and closes: HTTP/2 with many calls at a time, or HTTP/1.1 with one. It takes a
// fraction of the CPU of net/http's client, which matters to a load generator that
// shares its cores with the server under load.
//
// A connection starts no goroutine for a call, but for Start over HTTP/1.1. Over HTTP/2
// it has two for all of them: one reads, and one writes what all the calls have to send
// in as few writes as it can. What the calls of a Route have in common is encoded once.
// Calls that break leave it to the caller to dial again; nothing is repeated by itself,
// as an atomic write that is sent twice may count twice.
//
// It is no client for the open internet: redirects, cookies, compression and proxies
// are unknown to it, and it does not guard against a server that sends more than the
// windows allow.
package httpconn
