// Package conformance checks that a backend, or a live server, behaves as Deno KV
// programs expect.
//
// Run takes any kvconnect.Backend, RunHTTP the URL of any KV Connect server, be it
// this one, denokv or the oracle in clients/oracle. Both run the same cases,
// over different ways to the database. What a server is known to do otherwise is
// listed as a KnownDifference, and the list is checked too: a listed case that
// passes is an error.
//
// The folder clients holds the suites that real Deno and Node programs run.
package conformance
