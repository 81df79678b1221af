package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/control"
	"github.com/spf13/cobra"
)

const dbDeleteLong = `Delete a database and revoke all its tokens. It asks for the name, unless there is
--yes.

The file is kept in the folder trash of the data folder for as long as the server's
--trash-retention says, 30 days by default. Until then "db adopt" brings it back.`

func newDBDeleteCommand(flags *adminFlags) *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use:     "delete DATABASE",
		Short:   "Delete a database",
		Long:    dbDeleteLong,
		Example: "  kvconnect --data-dir data db delete orders\n  kvconnect --data-dir data db delete orders --yes",
		Args:    exactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				nameOrID := args[0]
				if !yes {
					database, err := findDatabase(ctx, o, nameOrID)
					if err == nil {
						err = confirm(command.InOrStdin(), command.ErrOrStderr(), database)
					}
					if err != nil {
						return err
					}
					nameOrID = database.ID.String() // another may have got the name meanwhile
				}
				deleted, err := o.DeleteDatabase(ctx, nameOrID)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "deleted database %s (%s), revoked tokens: %d\nkept until %s: %s\n",
					deleted.Database.Name, deleted.Database.ID, deleted.RevokedTokens, formatTime(&deleted.KeptUntil), deleted.Path)
				return err
			})
		},
	}
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}

func findDatabase(ctx context.Context, o admin.Operations, nameOrID string) (admin.Database, error) {
	all, err := o.Databases(ctx)
	if err != nil {
		return admin.Database{}, err
	}
	for _, d := range all {
		if d.Name == nameOrID || strings.EqualFold(d.ID.String(), nameOrID) {
			return d, nil
		}
	}
	return admin.Database{}, fmt.Errorf("%w: %q", control.ErrNoDatabase, nameOrID)
}

// confirm has the name of the database typed.
func confirm(in io.Reader, out io.Writer, database admin.Database) error {
	if _, err := fmt.Fprintf(out, "Programs that use %s (%s) will fail. Type its name to delete it: ", database.Name, database.ID); err != nil {
		return err
	}
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(answer) != database.Name {
		return errors.New("not deleted: the name was not typed; --yes deletes without asking")
	}
	return nil
}
