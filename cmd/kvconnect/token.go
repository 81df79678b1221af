package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/spf13/cobra"
)

//nolint:gosec // a text about tokens, and none
const tokenHelp = `Create, list, limit and revoke the access tokens of a data folder's databases.

A token opens one database, for reading or for reading and writing. Only its hash is
kept: it is shown once.`

func newTokenCommand(root *rootOptions) *cobra.Command {
	flags := &adminFlags{root: root}
	command := &cobra.Command{
		Use:     "token",
		Short:   "Manage the access tokens of a data folder",
		Long:    tokenHelp,
		Example: "  kvconnect --data-dir data token create --db orders --scope write --expires 90d --note \"the shop\"",
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	flags.addTo(command)
	command.AddCommand(newTokenCreateCommand(flags), newTokenListCommand(flags), newTokenLimitCommand(flags), newTokenRevokeCommand(flags))
	return command
}

func newTokenCreateCommand(flags *adminFlags) *cobra.Command {
	var create admin.CreateToken
	var scope string
	var expires lifetime
	var limits limitFlags
	command := &cobra.Command{
		Use:   "create --db DATABASE --scope read|write",
		Short: "Create an access token and print it",
		Long: "Create an access token. The token alone goes to the standard output, where a script can take it; what there is to say of it\n" +
			"goes to the standard error.",
		Example: "  kvconnect --data-dir data token create --db orders --scope read --expires 90d",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			create.Scope, create.Limits = access.Scope(scope), limits.limits()
			if command.Flags().Changed("expires") {
				at := time.Now().Add(time.Duration(expires))
				create.ExpiresAt = &at
			}
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				created, err := o.CreateToken(ctx, create)
				if err != nil {
					return err
				}
				return printCreatedToken(command, created)
			})
		},
	}
	f := command.Flags()
	f.StringVar(&create.Database, "db", "", "the `database` that it opens, by name or id")
	f.StringVar(&scope, "scope", "", "what it allows: read, or write, which includes reading (`read|write`)")
	f.Var(&expires, "expires", "how long it is valid, such as 90d or 12h; for ever if it is left out")
	f.StringVar(&create.Note, "note", "", "a `text` that says what it is for")
	limits.addTo(f, "the token", false)
	_ = command.MarkFlagRequired("db")    // fails for a flag that is not there
	_ = command.MarkFlagRequired("scope") // as above
	return command
}

func printCreatedToken(command *cobra.Command, created admin.CreatedToken) error {
	expiry := "does not expire"
	if created.Token.ExpiresAt != nil {
		expiry = "expires " + formatTime(created.Token.ExpiresAt)
	}
	// Should this fail, the token is still to be shown, for the one time that it can be.
	_, _ = fmt.Fprintf(command.ErrOrStderr(), "token %s: may %s %s, %s; it is not shown again:\n",
		created.Token.ID, created.Token.Scope, created.Token.Database, expiry)
	_, err := fmt.Fprintln(command.OutOrStdout(), created.AccessToken)
	return err
}

func newTokenListCommand(flags *adminFlags) *cobra.Command {
	var database string
	var asJSON, all bool
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the access tokens",
		Long:    "List the access tokens, of which only the ids are known any more, with what they allow and when they were used last.",
		Example: "  kvconnect --data-dir data token list --db orders\n  kvconnect --data-dir data token list --all --json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				tokens, err := o.Tokens(ctx, database)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(command.OutOrStdout(), tokens)
				}
				table := newTable(command.OutOrStdout(), "ID", "DATABASE", "SCOPE", "CREATED", "LAST USED", "EXPIRES", "LIMITS", "NOTE")
				for _, t := range tokens {
					expires := formatTime(t.ExpiresAt)
					if t.RevokedAt != nil {
						if !all {
							continue
						}
						expires = "revoked " + formatTime(t.RevokedAt)
					}
					table.row(t.ID, t.Database, string(t.Scope), formatTime(&t.CreatedAt), formatTime(t.LastUsedAt), expires,
						formatLimits(t.Limits), t.Note)
				}
				return table.flush()
			})
		},
	}
	f := command.Flags()
	f.StringVar(&database, "db", "", "only those of this `database`")
	f.BoolVar(&all, "all", false, "revoked ones too")
	f.BoolVar(&asJSON, "json", false, "print JSON, revoked ones included")
	return command
}

func newTokenLimitCommand(flags *adminFlags) *cobra.Command {
	var limits limitFlags
	command := &cobra.Command{
		Use:     "limit TOKEN-ID",
		Short:   "Change the quotas of a token",
		Long:    "Change the quotas of a token at once. Those that are left out stay as they are, 0 lifts one.",
		Example: "  kvconnect --data-dir data token limit t_abcdefghijkl --max-requests-per-second 100",
		Args:    exactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			changes := limits.changes(command.Flags())
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				token, err := o.ChangeToken(ctx, args[0], admin.ChangeToken{Limits: changes})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "%s: %s\n", token.ID, formatLimits(token.Limits))
				return err
			})
		},
	}
	limits.addTo(command.Flags(), "the token", false)
	return command
}

func newTokenRevokeCommand(flags *adminFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke TOKEN-ID",
		Short:   "Revoke an access token",
		Long:    "Revoke an access token, at once and for good: programs that use it are refused, and their watches end.",
		Example: "  kvconnect --data-dir data token revoke t_abcdefghijkl",
		Args:    exactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				token, err := o.RevokeToken(ctx, args[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(command.OutOrStdout(), "revoked %s, which opened %s\n", token.ID, token.Database)
				return err
			})
		},
	}
}

// hashOfTokenIn gives the hash of the access token in a file, in hexadecimal: the token
// itself goes nowhere.
func hashOfTokenIn(file string) (string, error) {
	token, err := readSecret("access token", file)
	if err != nil {
		return "", err
	}
	hash, err := auth.HashAccessToken(token)
	if err != nil {
		return "", fmt.Errorf("the access token in %s: %w", file, err)
	}
	return hex.EncodeToString(hash[:]), nil
}
