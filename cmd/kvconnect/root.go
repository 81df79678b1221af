package main

import (
	"os"

	"github.com/spf13/cobra"
)

const (
	envDataDir         = "KVCONNECT_DATA_DIR"
	envSQLitePath      = "DENO_KV_SQLITE_PATH"
	envAccessToken     = "DENO_KV_ACCESS_TOKEN"      //nolint:gosec // the name of a variable
	envAccessTokenFile = "DENO_KV_ACCESS_TOKEN_FILE" //nolint:gosec // the name of a variable

	envMasterToken     = "KVCONNECT_MASTER_TOKEN"
	envMasterTokenFile = "KVCONNECT_MASTER_TOKEN_FILE"

	defaultSQLitePath = "kvconnect.sqlite"
)

// rootOptions holds the flags that stand before and after a subcommand, as
// denokv has them.
type rootOptions struct {
	sqlitePath string
	dataDir    string // "" for the one-database mode
}

func newRootCommand() *cobra.Command {
	var options rootOptions
	root := &cobra.Command{
		Use:           "kvconnect",
		Short:         "A self-hosted server for Deno KV",
		Long:          "kvconnect serves Deno KV databases, one from an SQLite file or many from a folder:\n\n  const kv = await Deno.openKv(\"http://localhost:4512\");",
		Example:       "  kvconnect serve\n  kvconnect serve --sqlite-path /var/lib/kv/app.sqlite --addr 127.0.0.1:4512",
		Version:       version(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.PersistentFlags().StringVar(&options.sqlitePath, "sqlite-path", fromEnv(envSQLitePath, defaultSQLitePath),
		"the SQLite `file` that holds the database; made if it is not there (env "+envSQLitePath+")")
	root.PersistentFlags().StringVar(&options.dataDir, "data-dir", fromEnv(envDataDir, ""),
		"the `folder` that holds many databases, in place of one file (env "+envDataDir+")")
	root.AddCommand(newServeCommand(&options), newDBCommand(&options), newTokenCommand(&options), newKeysCommand(&options), newBenchCommand())
	return root
}

// folder gives the data folder, "" for the one-database mode. A file that is named on the
// command line counts for more than a folder in the environment.
func (o *rootOptions) folder(command *cobra.Command) string {
	if changed := command.Flags().Changed; changed("sqlite-path") && !changed("data-dir") {
		return ""
	}
	return o.dataDir
}

// fromEnv gives the value of a variable. One that is set but empty counts as not
// set, because that is how compose files pass on what the host does not have.
func fromEnv(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
