package main

import (
	"context"
	"errors"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/spf13/cobra"
)

const (
	envConfig          = "KVCONNECT_CONFIG"
	envDataDir         = "KVCONNECT_DATA_DIR"
	envSQLitePath      = "DENO_KV_SQLITE_PATH"
	envAccessToken     = "DENO_KV_ACCESS_TOKEN"      //nolint:gosec // the name of a variable
	envAccessTokenFile = "DENO_KV_ACCESS_TOKEN_FILE" //nolint:gosec // the name of a variable

	envMasterToken     = "KVCONNECT_MASTER_TOKEN"
	envMasterTokenFile = "KVCONNECT_MASTER_TOKEN_FILE"

	flagSQLitePath = "sqlite-path"
	flagDataDir    = "data-dir"
	flagAdminURL   = "admin-url"
	flagConfig     = "config"

	defaultSQLitePath = "kvconnect.sqlite"
	defaultAddr       = "0.0.0.0:4512"
)

// rootOptions holds the flags that stand before and after a subcommand, as
// denokv has them.
type rootOptions struct {
	sqlitePath string
	dataDir    string // "" for the one-database mode
	configPath string // "" for no file

	// settings tell where the flags of the command that runs come from. They are there once
	// it runs.
	settings *config.Settings
	// misset is what the file and the environment have that cannot be used. Commands that
	// serve tell of it with all that is wrong besides; others fail before they run.
	misset error
	// folderUnclear tells that the file or a variable seems to name a data folder, in a way
	// that cannot be used. Then misset tells of it.
	folderUnclear bool
	// warnings are what was found on the way that stops nobody.
	warnings []string
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

		PersistentPreRunE: func(command *cobra.Command, _ []string) error { return options.configure(command) },
	}
	f := root.PersistentFlags()
	f.SortFlags = false // as those of serve
	f.StringVar(&options.sqlitePath, flagSQLitePath, defaultSQLitePath, "the SQLite `file` that holds the database; made if it is not there")
	config.NameVariable(f, flagSQLitePath, envSQLitePath)
	f.StringVar(&options.dataDir, flagDataDir, "", "the `folder` that holds many databases, in place of one file")
	f.StringVar(&options.configPath, flagConfig, "", "a `file` with settings, in TOML (env "+envConfig+")")
	root.AddCommand(newServeCommand(&options, options.serve), newDBCommand(&options), newTokenCommand(&options), newKeysCommand(&options),
		newConfigCommand(&options), newDoctorCommand(&options), newHealthCommand(&options), newBenchCommand(), newVersionCommand(), newManCommand(), newPitrCommand())
	options.completeCommands(root)
	return root
}

// serve is service.Run after the warnings.
func (o *rootOptions) serve(ctx context.Context, options service.Options) error {
	for _, warning := range o.warnings {
		options.Logger.Warn("a setting has no effect", "setting", warning)
	}
	return service.Run(ctx, options)
}

// checkOnePlace fails if a file and a folder are named in the same place, and for an empty name
// on the command line: it comes of a variable of a shell that is not set, and whoever means a
// folder must not get a new database in another place.
func (o *rootOptions) checkOnePlace() error {
	settings := o.settings
	switch {
	case settings.From(flagDataDir).Kind == config.Flag && o.dataDir == "":
		return errors.New("--data-dir is empty: name a folder, or leave it out")
	case o.sqlitePath == "" && o.folder() == "":
		return errors.New("--sqlite-path is empty: name a file, or leave it out")
	}
	file, folder := settings.ChosenBy(flagSQLitePath).Kind, settings.ChosenBy(flagDataDir).Kind
	if file == folder && (file == config.Flag || file == config.File) {
		return errors.New("--data-dir and --sqlite-path are both given: leave one of them out; " +
			"\"kvconnect db adopt FILE\" takes a file over into a data folder")
	}
	return nil
}

// folder gives the data folder, "" for the one-database mode. What is named in the place that
// counts for more decides; a folder does where they are named in the same.
func (o *rootOptions) folder() string {
	if o.settings.ChosenBy(flagSQLitePath).Kind > o.settings.ChosenBy(flagDataDir).Kind {
		return ""
	}
	return o.dataDir
}
