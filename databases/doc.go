// Package databases lends the databases of a server that has many. It opens them when they
// are asked for, closes them when nobody has needed them for a while, and bounds how many
// are open at once. What a database is kept in, it leaves to Options.Open.
//
//	pool := databases.Open(databases.Options{Open: open, Logger: logger})
//	database, err := pool.Lend(ctx, id)
//	...
//	database.Release()
//
// # Invariants
//
//   - Of one id there is never more than one Backend: the next is opened after Close of the
//     one before has returned (opening.go).
//   - A Backend has room from before it is opened until after it is closed, and there is room
//     for MaxOpen (room.go).
//   - A Backend that is on loan is closed by Forget and Close alone. The number of loans and
//     the mark that no more are given are one word: whoever sets the mark knows of every loan
//     (loans.go).
//   - A database that is open is lent, and given back, without a lock and without memory.
//   - Whoever waits for room gets it in the order of arrival.
//   - Close returns after the last goroutine of the pool has.
package databases
