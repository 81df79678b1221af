package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/spf13/cobra"
)

const dbLong = `Create, list, rename, limit, delete and adopt the databases of a data folder.

Works on the folder that --data-dir names, whether a server runs on it or not, and
with --admin-url on a server elsewhere. A database is named by its name or its id.`

func newDBCommand(root *rootOptions) *cobra.Command {
	flags := &adminFlags{root: root}
	command := &cobra.Command{
		Use:   "db",
		Short: "Manage the databases of a data folder",
		Long:  dbLong,
		Example: "  kvconnect --data-dir data db create orders\n" +
			"  kvconnect --data-dir data token create --db orders --scope write",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	flags.addTo(command)
	command.AddCommand(newDBCreateCommand(flags), newDBAdoptCommand(flags), newDBListCommand(flags), newDBStatsCommand(flags),
		newDBRenameCommand(flags), newDBLimitCommand(flags), newDBDeleteCommand(flags))
	return command
}

func newDBCreateCommand(flags *adminFlags) *cobra.Command {
	var limits limitFlags
	command := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a database",
		Long: "Create a database, and the data folder if it is not there. A name has lower-case letters, digits, and after the first of them . _ and -.\n" +
			"Nobody can open it before there is a token for it: \"kvconnect token create\" makes one.",
		Example: "  kvconnect --data-dir data db create orders --max-file-size 2GiB",
		Args:    exactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.operate(command, true, func(ctx context.Context, o admin.Operations) error {
				database, err := o.CreateDatabase(ctx, admin.CreateDatabase{Name: args[0], Limits: limits.limits()})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "created database %s with the id %s\n", database.Name, database.ID)
				return err
			})
		},
	}
	limits.addTo(command.Flags(), "the database", true)
	return command
}

const dbAdoptLong = `Copy the file of a database into the data folder, with its data and its id.

The file is one of the one-database mode, of Deno or of denokv; no program may have it
open. It stays as it is. The access token that was made at the first start in the
one-database mode goes on to open the database; one that you chose does if you name a
file that holds it. With --admin-url, FILE is a path on the machine of the server.`

func newDBAdoptCommand(flags *adminFlags) *cobra.Command {
	var limits limitFlags
	var name, accessTokenFile string
	command := &cobra.Command{
		Use:     "adopt FILE",
		Short:   "Take over a copy of a database file",
		Long:    dbAdoptLong,
		Example: "  kvconnect --data-dir data db adopt kvconnect.sqlite --name orders",
		Args:    exactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			adopt, err := newAdoption(args[0], name, accessTokenFile)
			if err != nil {
				return err
			}
			adopt.Limits = limits.limits()
			return flags.operate(command, true, func(ctx context.Context, o admin.Operations) error {
				adopted, err := o.AdoptDatabase(ctx, adopt)
				if err != nil {
					return err
				}
				return printAdopted(command, adopt.Path, adopted)
			})
		},
	}
	command.Flags().StringVar(&name, "name", "", "the `name` of the database; that of the file if it is left out")
	command.Flags().StringVar(&accessTokenFile, "access-token-file", "", "a `file` with an access token that shall go on to open the database")
	limits.addTo(command.Flags(), "the database", true)
	return command
}

func newAdoption(path, name, accessTokenFile string) (adopt admin.AdoptDatabase, err error) {
	// A server that has the folder open may have another working directory.
	if adopt.Path, err = filepath.Abs(path); err != nil {
		return admin.AdoptDatabase{}, err
	}
	adopt.Name = name
	if name == "" {
		base := filepath.Base(path)
		adopt.Name = strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base)))
	}
	if accessTokenFile != "" {
		if adopt.AccessTokenSHA256, err = hashOfTokenIn(accessTokenFile); err != nil {
			return admin.AdoptDatabase{}, err
		}
	}
	return adopt, nil
}

func printAdopted(command *cobra.Command, path string, adopted admin.AdoptedDatabase) error {
	out := command.OutOrStdout()
	_, err := fmt.Fprintf(out, "adopted database %s with the id %s\n", adopted.Database.Name, adopted.Database.ID)
	for _, token := range adopted.Tokens {
		if err == nil {
			_, err = fmt.Fprintf(out, "its access token stays valid, as %s\n", token.ID)
		}
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "%s is not used any more: remove it when you have seen that all is there\n", path)
	}
	return err
}

func newDBRenameCommand(flags *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "rename DATABASE NAME",
		Short: "Rename a database",
		Long:  "Rename a database. Its tokens go on to open it; programs that name it in their URL have to use the new name.",

		Example: "  kvconnect --data-dir data db rename orders sales",
		Args:    exactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				database, err := o.ChangeDatabase(ctx, args[0], admin.ChangeDatabase{Name: &args[1]})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "renamed to %s\n", database.Name)
				return err
			})
		},
	}
}

func newDBLimitCommand(flags *adminFlags) *cobra.Command {
	var limits limitFlags
	command := &cobra.Command{
		Use:     "limit DATABASE",
		Short:   "Change the quotas of a database",
		Long:    "Change the quotas of a database at once. Those that are left out stay as they are, 0 lifts one.",
		Example: "  kvconnect --data-dir data db limit orders --max-file-size 2GiB",
		Args:    exactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			changes := limits.changes(command.Flags())
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				database, err := o.ChangeDatabase(ctx, args[0], admin.ChangeDatabase{Limits: changes})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "%s: %s\n", database.Name, formatLimits(database.Limits))
				return err
			})
		},
	}
	limits.addTo(command.Flags(), "the database", true)
	return command
}
