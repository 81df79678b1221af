package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/spf13/pflag"
)

const (
	flagAccessToken     = "access-token"
	flagAccessTokenFile = "access-token-file"
	flagNewAccessToken  = "new-access-token"
)

// accessTokenFlags say which token opens the database of a file.
type accessTokenFlags struct {
	token, file string
	makeNew     bool // of serve alone
}

func (a *accessTokenFlags) addTo(f *pflag.FlagSet) {
	f.StringVar(&a.token, flagAccessToken, "", "the `token` that programs open the database with, at least 12 characters")
	config.NameVariable(f, flagAccessToken, envAccessToken)
	config.MarkSecret(f, flagAccessToken)
	f.StringVar(&a.file, flagAccessTokenFile, "", "a `file` with the access token")
	config.NameVariable(f, flagAccessTokenFile, envAccessTokenFile)
}

// resolve gives the token that the user chose and the file that it is in, "" for none. What
// is given in the place that counts for more does. With a data folder it is the master token.
func (a *accessTokenFlags) resolve(settings *config.Settings, dataDir string) (token, file string, err error) {
	if dataDir != "" {
		token, err = accessTokenFromEnv("master token", envMasterToken, envMasterTokenFile)
		return token, os.Getenv(envMasterTokenFile), err
	}
	tokenSource, fileSource := settings.ChosenBy(flagAccessToken), settings.ChosenBy(flagAccessTokenFile)
	given, inFile, source := tokenSource.Kind, fileSource.Kind, "--"+flagAccessToken
	switch {
	case given == config.Flag && a.token == "":
		return "", "", errors.New("--access-token is empty: leave it out to have a token made")
	case given != config.Flag && a.makeNew, given == config.Default && inFile == config.Default:
		return "", "", nil
	case given == config.Variable && inFile == config.Variable:
		return "", "", fmt.Errorf("%s and %s are both set: unset one of them", tokenSource.Name, fileSource.Name)
	case given == inFile:
		return "", "", errors.New("--access-token and --access-token-file are both set: leave one of them out")
	case given > inFile:
		token = a.token
	default:
		source, file = "--"+flagAccessTokenFile, a.file
		token, err = readSecret("access token", file)
	}
	if err == nil {
		_, err = auth.HashAccessToken(token)
	}
	if err != nil {
		return "", file, fmt.Errorf("%s: %w", source, err)
	}
	return token, file, nil
}
