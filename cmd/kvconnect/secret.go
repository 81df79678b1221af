package main

import (
	"fmt"
	"os"
	"strings"
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

// readSecret reads a file that holds a secret, which errors call what.
func readSecret(what, file string) (string, error) {
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
