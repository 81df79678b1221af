// Package access says what a token gives its bearer: which database, whether it may
// write, and how much of it.
//
// A Grant is alive: one that was revoked, or has expired, tells everybody who holds it.
// A Meter counts what is used and refuses what is beyond its Limits.
package access
