// Package bench puts load on KV Connect servers and reports what they did with it.
//
// Run opens each server as a client does, by a metadata exchange; stores entries under
// a key prefix of its own; and has each workload run on each server for a while, round
// by round and server by server in turn, so that what disturbs the machine disturbs
// all of them. What was stored is deleted in the end.
//
// The load is a closed loop: each of Options.Concurrency workers makes its next
// operation when the one before has ended. A server that stalls is asked less while it
// stalls, and the high percentiles say less of a stall than independent users would
// feel. Every reply is checked, and one that is not right counts as an error and never
// as an operation.
package bench
