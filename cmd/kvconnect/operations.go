package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/control"
	"github.com/spf13/cobra"
)

const (
	envAdminURL       = "KVCONNECT_ADMIN_URL"
	envAdminToken     = "KVCONNECT_ADMIN_TOKEN"
	envAdminTokenFile = "KVCONNECT_ADMIN_TOKEN_FILE"
)

// adminFlags say on which databases an operator works.
type adminFlags struct {
	root *rootOptions
	url  string
}

// addTo gives the flags to a command and those below it.
func (f *adminFlags) addTo(command *cobra.Command) {
	command.PersistentFlags().StringVar(&f.url, flagAdminURL, "",
		"the `URL` of the admin listener of a server elsewhere, with its token in "+envAdminToken+" or "+envAdminTokenFile)
}

// operate calls do with the operations on what the flags name. mayCreate makes a data folder
// that is not there.
func (f *adminFlags) operate(command *cobra.Command, mayCreate bool, do func(context.Context, admin.Operations) error) error {
	if err := checkNoAccessToken(command); err != nil {
		return err
	}
	operations, closeThem, err := f.open(command, mayCreate)
	if err != nil {
		return err
	}
	return errors.Join(do(command.Context(), operations), closeThem())
}

// checkNoAccessToken fails for an access token where a name or an id belongs. An error that
// names what was not found would repeat it.
func checkNoAccessToken(command *cobra.Command) error {
	given := slices.Clone(command.Flags().Args())
	if flag := command.Flags().Lookup("db"); flag != nil {
		given = append(given, flag.Value.String())
	}
	if slices.ContainsFunc(given, auth.LooksLikeAccessToken) {
		return errors.New("an access token is given where a name or an id belongs: \"kvconnect token list\" shows the ids of tokens")
	}
	return nil
}

func (f *adminFlags) open(command *cobra.Command, mayCreate bool) (admin.Operations, func() error, error) {
	adminURL, err := f.adminURL()
	switch {
	case err != nil:
		return nil, nil, err
	case adminURL != "":
		return openRemote(adminURL)
	case f.root.dataDir == "":
		return nil, nil, errors.New("name the data folder with --data-dir DIR (env " + envDataDir +
			"), or a server with --admin-url URL (env " + envAdminURL + ")")
	default:
		operations, closeThem, err := openDataDir(command.Context(), f.root.dataDir, mayCreate, command.ErrOrStderr())
		return operations, closeThem, f.root.settings.Explain(err)
	}
}

// adminURL gives the URL of the server to ask, "" for the data folder. A folder that is named
// on the command line counts for more than a server in the environment, and one in the
// environment for more than a server in the file: what is meant for a folder to try things out
// in must not reach another.
func (f *adminFlags) adminURL() (string, error) {
	folder, server := f.root.settings.ChosenBy(flagDataDir).Kind, f.root.settings.ChosenBy(flagAdminURL).Kind
	switch {
	case f.root.settings.ChosenBy(flagSQLitePath).Kind == config.Flag:
		return "", errors.New("--sqlite-path is for \"kvconnect serve\" with one file: name a data folder with --data-dir")
	case folder == config.Flag && server == config.Flag:
		return "", errors.New("--data-dir and --admin-url are both given: leave one of them out")
	case folder > server:
		return "", nil
	default:
		return f.url, nil
	}
}

// openDataDir opens a data folder, or reaches the server that has it open.
func openDataDir(ctx context.Context, path string, mayCreate bool, log io.Writer) (admin.Operations, func() error, error) {
	dir, err := datadir.Open(ctx, datadir.Options{
		Path: path, Create: mayCreate, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err == nil {
		return admin.NewLocal(dir, nil), dir.Close, nil
	}
	if !errors.Is(err, control.ErrInUse) {
		return nil, nil, err
	}
	// A server has it.
	access, accessErr := datadir.ReadAdminAccess(path)
	if accessErr != nil {
		return nil, nil, fmt.Errorf("%w, and it cannot be asked: %w: start it with --admin-addr, or stop it", err, accessErr)
	}
	return closable(admin.NewClient(access.URL, access.Token))
}

func openRemote(adminURL string) (admin.Operations, func() error, error) {
	token, err := secretFromEnv("admin token", envAdminToken, envAdminTokenFile)
	if err != nil {
		return nil, nil, err
	}
	if token == "" {
		return nil, nil, fmt.Errorf("set %s or %s to the admin token of the server at %s", envAdminToken, envAdminTokenFile, adminURL)
	}
	return closable(admin.NewClient(adminURL, token))
}

func closable(client *admin.Client, err error) (admin.Operations, func() error, error) {
	if err != nil {
		return nil, nil, err
	}
	return client, client.Close, nil
}

// exactArgs is cobra.ExactArgs with an error that says which arguments there are to be.
func exactArgs(n int) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%d arguments are needed, not %d: %s", n, len(args), command.UseLine())
		}
		return nil
	}
}

// printJSON prints what scripts read.
func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
