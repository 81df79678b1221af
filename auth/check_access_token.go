package auth

import "errors"

// ErrMistypedAccessToken is returned for an access token that was meant to be a generated
// one and is not.
var ErrMistypedAccessToken = errors.New("it begins as a token that kvconnect makes, and its checksum is wrong: copy it again, whole")

// CheckAccessToken finds out what is wrong with a token that somebody has, without asking
// a server: ErrWeakAccessToken if no server would take it, ErrMistypedAccessToken if a
// character of a generated token is missing or wrong.
func CheckAccessToken(token string) error {
	if looksMistyped(token) {
		return ErrMistypedAccessToken
	}
	_, err := HashAccessToken(token)
	return err
}
