package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/kvconnect/kvconnect/auth"
)

// secretFromEnv gives the secret that the environment holds or names a file of, "" for none.
// Errors call it by the name what. A variable that is set but empty counts as not set,
// because that is how compose files pass on what the host does not have.
func secretFromEnv(what, name, fileName string) (string, error) {
	secret, file := os.Getenv(name), os.Getenv(fileName)
	switch {
	case secret != "" && file != "":
		return "", fmt.Errorf("%s and %s are both set: unset one of them", name, fileName)
	case file == "":
		return secret, nil
	default:
		return readSecret(what, file)
	}
}

// accessTokenFromEnv is secretFromEnv for one that programs send as they do an access token. It
// fails for one that cannot be used, by the name of the variable.
func accessTokenFromEnv(what, name, fileName string) (string, error) {
	token, err := secretFromEnv(what, name, fileName)
	if err != nil || token == "" {
		return "", err
	}
	if _, err := auth.HashAccessToken(token); err != nil {
		if os.Getenv(name) == "" {
			name = fileName
		}
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return token, nil
}

// masterTokenWarnings tell of a token that opens nothing where one file is served.
func masterTokenWarnings(dataDir string) []string {
	var found []string
	for _, name := range []string{envMasterToken, envMasterTokenFile} {
		if dataDir == "" && os.Getenv(name) != "" {
			found = append(found, name+" has no effect: it is for a data folder, which --data-dir names")
		}
	}
	return found
}

// readSecret reads a file that holds a secret, which errors call what.
func readSecret(what, file string) (string, error) {
	if auth.LooksLikeAccessToken(file) {
		return "", fmt.Errorf("read the %s: a token is given where the name of a file that holds it belongs", what)
	}
	data, err := os.ReadFile(file) //nolint:gosec // opening files that the user names is what the program does
	if err != nil {
		return "", fmt.Errorf("read the %s: %w", what, err)
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", fmt.Errorf("read the %s: %s is empty", what, file)
	}
	return secret, nil
}
