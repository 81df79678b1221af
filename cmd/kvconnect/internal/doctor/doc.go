// Package doctor looks at what a server needs: its files and the folder they are in, the
// disk below them, its addresses, the access token, the clock and the limits of the system.
// It changes nothing, and says of everything what it found and, where that is not as it
// should be, what to do. It works while a server runs and while none does.
//
// What it says never has a token, a key or a value in it.
package doctor
