package service

import (
	"errors"
	"io/fs"

	"github.com/kvconnect/kvconnect/auth"
)

// secretsSuffix is what the name of the secrets file has beyond that of the
// database.
const secretsSuffix = ".secrets.json"

// tokenSource tells where the access token comes from.
type tokenSource int

const (
	tokenChosen    tokenSource = iota // by the user
	tokenMadeNow                      // to be shown this once
	tokenMadeEarly                    // at an earlier start; only its hash is known
)

// credentials is what the server accepts and signs with.
type credentials struct {
	path        string
	secrets     auth.Secrets
	accessToken auth.AccessTokenHash
	tokenSource tokenSource
	newToken    string // of tokenMadeNow

	unsaved bool
	// volatile, if set, is told that a server which only reads does without a
	// secrets file, where it cannot have one.
	volatile func(error)
}

// chosenToken gives the hash of the token that the user chose, nil for none.
func chosenToken(token string) (*auth.AccessTokenHash, error) {
	if token == "" {
		return nil, nil
	}
	hash, err := auth.HashAccessToken(token)
	return &hash, err
}

// loadCredentials finds or makes the credentials, and saves nothing yet. chosen is
// the hash of the token that the user chose, if any.
func loadCredentials(options Options, chosen *auth.AccessTokenHash, path string) (*credentials, error) {
	c := &credentials{path: path}
	if options.ReadOnly {
		c.volatile = func(err error) {
			options.Logger.Warn("the secrets cannot be saved, so tokens are valid until the next start only", "error", err)
		}
	}
	var err error
	c.secrets, err = auth.LoadSecrets(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.secrets, c.unsaved = auth.GenerateSecrets(), true
	case errors.Is(err, fs.ErrPermission) && c.volatile != nil:
		// Somebody else's; it is left alone.
		c.volatile(err)
		c.secrets = auth.GenerateSecrets()
	case err != nil:
		return nil, err
	}
	switch {
	case chosen != nil:
		c.tokenSource, c.accessToken = tokenChosen, *chosen
		return c, nil
	case c.secrets.AccessToken != nil && !options.NewAccessToken:
		c.tokenSource = tokenMadeEarly
	default:
		c.tokenSource = tokenMadeNow
		c.unsaved = c.unsaved || err == nil // but not over a file that could not be read
		c.newToken = auth.GenerateAccessToken()
		hash, err := auth.HashAccessToken(c.newToken)
		if err != nil {
			return nil, err
		}
		c.secrets.AccessToken = &hash
	}
	c.accessToken = *c.secrets.AccessToken
	return c, nil
}

// save writes what was made.
func (c *credentials) save() error {
	if !c.unsaved {
		return nil
	}
	err := c.secrets.Save(c.path)
	if err != nil && c.volatile != nil {
		c.volatile(err)
		return nil
	}
	return err
}
