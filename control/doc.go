// Package control holds what a server of many databases knows about them: their names and
// limits, the access tokens that open them, and the keys that sign data path tokens. All
// of it is in one small SQLite file, the control database of a folder of databases.
//
// # The file and the mirror
//
// A Store reads the file once, when it is opened, and answers from a copy in memory from
// then on. A change goes into the file first, and is made in the copy once the file has it
// durably; a change that fails leaves the copy as it was. So nobody who comes with a token
// ever waits for the disk, and nothing that was acknowledged is lost when the process dies
// or the power fails.
//
// The grants that a Store gives are alive: a revocation reaches everybody who holds one.
//
// # The file is the lock of the folder
//
// The file is locked from Open to Close, and Open fails with ErrInUse while another Store
// has it, in this process or in another one. Two servers can therefore never serve the
// same folder.
//
// On Unix, a process that closes a file loses all the locks that it holds on it, whoever
// took them (see fcntl(2), "advisory record locking"). Nothing in a process with a Store
// may open and close the file in another way than through SQLite, be it for reading, for a
// copy or for a checksum: other processes could then take the folder too. To look at it
// with os.Stat is fine.
//
// # What is secret
//
// Of access tokens the file has the SHA-256 alone. The signing keys are in it as they are,
// and whoever reads them can make tokens: the file is made for its owner only, and Open
// refuses one that others may read. What is deleted is overwritten in the file, retired
// keys included.
//
// # Deleted databases
//
// The tokens of a deleted database are deleted with it, but for their hash and their id.
// Whoever comes with one is told for ever that it was revoked, and not that it is wrong;
// it stays revoked if the database comes back under the same id.
package control
