package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/auth"
)

// Token is the access token that the server would be started with.
type Token struct {
	// Value is "" if none was chosen.
	Value string
	// File is the path of the file that it is in, "" for none.
	File string
	// Err says why it could not be found out.
	Err error
}

const (
	// shortTokenBytes and fewCharacters are what a token that somebody made up falls short of.
	shortTokenBytes = 20
	fewCharacters   = 8
)

// checkToken tells whether the token is any good and, if a server runs, what it opens.
func (e *examination) checkToken(ctx context.Context) {
	const check = "token"
	token := e.options.Token
	if token.File != "" {
		e.checkTokenFile(token.File)
	}
	switch {
	case token.Err != nil:
		e.fail(check, token.Err.Error(), "set the token, or name a file that has it and that this user may read")
		return
	case token.Value == "" && e.options.DataDir != "":
		e.ok(check, "there is no master token: each token opens one database")
		return
	case token.Value == "":
		e.ok(check, "none was chosen: the one made at the first start is asked for, whose hash alone is kept")
		return
	}
	if err := auth.CheckAccessToken(token.Value); err != nil {
		advice := "choose a longer one, or have one made"
		if errors.Is(err, auth.ErrMistypedAccessToken) {
			advice = "copy it from where it was shown, or have a new one made"
		}
		e.fail(check, err.Error(), advice)
		return
	}
	if isGuessable(token.Value) {
		e.warn(check, fmt.Sprintf("it has %d characters, %d of them different: it can be guessed", len(token.Value), distinct(token.Value)),
			"choose 32 random characters or more, as of: openssl rand -hex 32")
	} else {
		e.ok(check, "its form is right")
	}
	if e.server != nil {
		e.tryToken(ctx, token.Value)
	}
}

func isGuessable(token string) bool {
	return len(token) < shortTokenBytes || distinct(token) < fewCharacters
}

func distinct(token string) int {
	characters := []byte(token)
	slices.Sort(characters)
	return len(slices.Compact(characters))
}

// tryToken opens a database with the token, as a program does.
func (e *examination) tryToken(ctx context.Context, token string) {
	const check = "token at the server"
	path := "/"
	if e.options.DataDir != "" {
		if len(e.databases) == 0 {
			return // the master token opens what there is, which is nothing
		}
		path = "/databases/" + e.databases[0].String() + "/connect"
	}
	status, body, err := e.server.do(ctx, http.MethodPost, path, http.Header{"Authorization": {"Bearer " + token}})
	switch {
	case err != nil:
		e.fail(check, "the server does not answer: "+err.Error(), "look at its log")
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.fail(check, fmt.Sprintf("the server refuses it, with status %d", status),
			"give programs the token that the server was started with, or restart the server if the token was changed")
	case status != http.StatusOK:
		e.warn(check, fmt.Sprintf("the server answers with status %d", status), "look at its log")
	default:
		e.checkOpened(check, body)
	}
}

// checkOpened compares the database that a token opened with the one in the file.
func (e *examination) checkOpened(check, body string) {
	var metadata struct {
		DatabaseID uuid.UUID `json:"databaseId"`
		Token      string    `json:"token"`
	}
	if err := json.Unmarshal([]byte(body), &metadata); err != nil {
		e.fail(check, "the server answers with something that is no metadata", "check that it is a kvconnect: "+e.server.url)
		return
	}
	if len(e.databases) > 0 && !slices.Contains(e.databases, metadata.DatabaseID) {
		e.fail(check, "it opens the database "+metadata.DatabaseID.String()+", which is another one than that looked at here",
			"check --sqlite-path, --data-dir and --addr: the server at "+e.server.url+" was started with others")
		return
	}
	e.ok(check, "it opens the database %s with the scope %s", metadata.DatabaseID, scopeOf(metadata.Token))
}

// scopeOf gives the scope that a data path token names. Nobody relies on it, so the signature
// is not looked at.
func scopeOf(dataPathToken string) string {
	var claims struct {
		Scope string `json:"scope"`
	}
	if parts := strings.Split(dataPathToken, "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &claims) // or it stays empty
		}
	}
	if claims.Scope != "read" && claims.Scope != "write" {
		return "(unknown)"
	}
	return claims.Scope
}
