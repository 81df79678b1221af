// Package auth decides on tokens: the access token with which a program opens a
// database, and the data path tokens that it gets in return.
//
// A data path token is a JWT signed with a key of this server (EdDSA) and bound
// to the id of a database. It never contains the access token. The signing key
// and the hash of a generated access token live in a file beside the database,
// see Secrets, and not in the database file, which people copy and share.
package auth
