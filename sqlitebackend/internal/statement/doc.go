// Package statement runs prepared statements of SQLite with one crossing into C for
// each run, however many rows it gives, and one allocation for all of them. The
// driver crosses for each parameter of a write and each row of a read, and allocates
// for each column, which is most of what a read of a hundred entries costs.
//
// It works on connections that the driver opened and closes, and with the SQLite that
// the driver brings.
package statement
