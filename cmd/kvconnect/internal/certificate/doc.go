// Package certificate has the certificates that a server shows to its clients: those of a
// pair of files, which somebody else renews, or those that a certificate authority gives over
// ACME. Either goes over to a renewed one without a connection being lost, keeps who runs the
// server informed by the log, and knows when what is shown expires.
package certificate
