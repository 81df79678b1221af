// Package admin is what an operator does to the databases, access tokens and signing keys of
// a data folder, while a server runs on it and while none does.
//
// Operations is the one interface for both. Local does them on a folder that this process
// has open; Handler serves them over HTTP on the admin listener of a server, and Client
// asks such a server for them.
package admin
