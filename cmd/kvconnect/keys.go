package main

import (
	"context"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/spf13/cobra"
)

const keysLong = `Manage the keys of a data folder that sign data path tokens: what programs get in
return for their access token, and send with each call.`

func newKeysCommand(root *rootOptions) *cobra.Command {
	flags := &adminFlags{root: root}
	command := &cobra.Command{
		Use:     "keys",
		Short:   "Manage the signing keys of a data folder",
		Long:    keysLong,
		Example: "  kvconnect --data-dir data keys list\n  kvconnect --data-dir data keys rotate",
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	flags.addTo(command)
	command.AddCommand(newKeysListCommand(flags), newKeysRotateCommand(flags), newKeysPublicCommand(flags))
	return command
}

func newKeysListCommand(flags *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the signing keys",
		Long:    "List the signing keys with when they were made, and since when they do not sign any more.",
		Example: "  kvconnect --data-dir data keys list",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				keys, err := o.Keys(ctx)
				if err != nil {
					return err
				}
				return printKeys(command, keys)
			})
		},
	}
}

func newKeysRotateCommand(flags *adminFlags) *cobra.Command {
	var rotate admin.RotateKeys
	command := &cobra.Command{
		Use:   "rotate",
		Short: "Sign with a new key",
		Long: "Sign with a new key from now on. What the old ones signed stays valid until it expires, so no program notices.\n\n" +
			"With --drop-old it does not: use that if a key may be known to others. It ends open watches too. Deno then gets\n" +
			"a new token by itself; with @deno/kv in Node, programs have to open the database again.",
		Example: "  kvconnect --data-dir data keys rotate\n  kvconnect --data-dir data keys rotate --drop-old",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				keys, err := o.RotateKeys(ctx, rotate)
				if err != nil {
					return err
				}
				return printKeys(command, keys)
			})
		},
	}
	command.Flags().BoolVar(&rotate.DropOld, "drop-old", false, "refuse what the old keys signed, at once")
	return command
}

func newKeysPublicCommand(flags *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "public",
		Short:   "Print the public keys as a JWK set",
		Long:    "Print the public keys as a JWK set: who has them can verify data path tokens, but not sign any.",
		Example: "  kvconnect --data-dir data keys public > keys.json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				keys, err := o.PublicKeys(ctx)
				if err != nil {
					return err
				}
				return printJSON(command.OutOrStdout(), keys)
			})
		},
	}
}

func printKeys(command *cobra.Command, keys []admin.Key) error {
	table := newTable(command.OutOrStdout(), "ID", "CREATED", "RETIRED")
	for _, key := range keys {
		retired := "signs"
		if key.RetiredAt != nil {
			retired = formatTime(key.RetiredAt)
		}
		table.row(key.ID, formatTime(&key.CreatedAt), retired)
	}
	return table.flush()
}
