// Package conformance checks that a backend, or a live server, behaves as Deno KV
// programs expect.
//
// Run takes any kvconnect.Backend, RunHTTP the URL of any KV Connect server, be it
// this one, denokv or the oracle in clients/oracle. Both run the same cases,
// over different ways to the database. What a server is known to do otherwise is
// listed as a KnownDifference, and the list is checked too: a listed case that
// passes is an error.
//
// Some cases record a history of what concurrent clients saw, and check it in two
// ways: checkOrder finds a place for every call and every state of a watch in the
// order of the versionstamps, and porcupine an order of all calls.
//
// RunRandom makes random writes on a backend and compares it with a model in memory.
// TestDifferential sends random requests to a live server and to the oracle.
//
// The folder clients holds the suites that real Deno and Node programs run.
package conformance
