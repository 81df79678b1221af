package main

import (
	"context"
	"errors"
	"os"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/spf13/cobra"
)

const configLong = `Check the settings of a server, and make a file with settings.

The file is in TOML, and is named with --config or KVCONNECT_CONFIG. Its keys are the
flags of "kvconnect serve" without the dashes.`

func newConfigCommand(root *rootOptions) *cobra.Command {
	command := &cobra.Command{
		Use:     "config",
		Short:   "Check and make configuration files",
		Long:    configLong,
		Example: "  kvconnect config example > kvconnect.toml\n  kvconnect config check --config kvconnect.toml",
		Args:    cobra.NoArgs,

		Annotations: noConfig(),
		RunE:        func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newConfigCheckCommand(root), newConfigExampleCommand())
	return command
}

const configCheckLong = `Check what "kvconnect serve" would be told by the file, the environment and the flags that
are given here as they would be there. Nothing is opened or started.

It fails with everything that is wrong. If nothing is, it prints what is in force and where
each value comes from; secrets are not shown.`

func newConfigCheckCommand(root *rootOptions) *cobra.Command {
	var command *cobra.Command
	command = newServeCommand(root, func(context.Context, service.Options) error {
		out := newTable(command.OutOrStdout(), "SETTING", "VALUE", "FROM")
		for _, setting := range root.settings.Describe() {
			out.row(setting.Name, setting.Value, setting.From.String())
		}
		for _, variable := range []string{envMasterToken, envMasterTokenFile, envAdminToken, envAdminTokenFile} {
			if os.Getenv(variable) != "" {
				out.row(variable, "(not shown)", variable)
			}
		}
		return errors.Join(root.writeWarnings(command.ErrOrStderr()), out.flush())
	})
	command.Use = "check"
	command.Short = "Check the settings of a server, and show them"
	command.Long = configCheckLong
	command.Example = "  kvconnect config check --config /etc/kvconnect.toml\n  kvconnect config check --data-dir data --addr 127.0.0.1:4512"
	return command
}

const configExampleHeader = `Settings of kvconnect, in TOML. This file is what "kvconnect config example" prints.

Every setting is here with its default, commented out. A variable of the environment counts for more than this file, and a flag of the command line, which is called as the key is here, for more than both. Check what is in force with: kvconnect config check --config FILE`

func newConfigExampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a file with every setting",
		Long:    "Print a file with every setting, its meaning and its default. All of them are commented out.",
		Example: "  kvconnect config example > kvconnect.toml",
		Args:    cobra.NoArgs,

		Annotations: noConfig(),
		RunE: func(command *cobra.Command, _ []string) error {
			return config.WriteExample(command.OutOrStdout(), settingsOf(command.Root()), configExampleHeader)
		},
	}
}
