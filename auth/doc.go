// Package auth decides on tokens: the access token with which a program opens a
// database, and the data path tokens that it gets in return.
//
// An Authority knows three kinds of access tokens. Registered ones are for one
// database each; a Registry knows their hashes. The master token opens every
// database. And tokens that another issuer signed are what an IdentityVerifier
// says. Each becomes an access.Grant, which all share who come with the token, so
// that revoking it reaches them all.
//
// A data path token is a JWT signed with a key of this server (EdDSA): it names the
// key, the id of a database, the scope, and the id of the access token that it was
// given for. It never contains the access token. Tokens that were verified are
// remembered together with their grant, and what has become of the grant is looked
// at each time.
//
// The keys are in a KeyRing. Rotate makes a new one for signing, while those before
// it go on to verify until the last of their tokens has run out. A server with one
// database keeps its key and the hash of a generated access token in a file beside
// the database, see Secrets, and not in the database file, which people copy and
// share.
package auth
