package main

import (
	"fmt"
	"os"
	"strings"
)

// accessTokenFromEnv gives the access token that the environment holds or names a
// file of, "" for none.
func accessTokenFromEnv() (string, error) {
	token, file := fromEnv(envAccessToken, ""), fromEnv(envAccessTokenFile, "")
	switch {
	case token != "" && file != "":
		return "", fmt.Errorf("%s and %s are both set: unset one of them", envAccessToken, envAccessTokenFile)
	case file == "":
		return token, nil
	default:
		return readAccessToken(file)
	}
}

// readAccessToken reads a file that holds an access token.
func readAccessToken(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the access token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" {
		return "", fmt.Errorf("read the access token: %s is empty", file)
	}
	return token, nil
}
