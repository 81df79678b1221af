package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

const manLong = `Write a manual page for each command into a folder, which is made if it is not there.

The pages are dated by the commit that the program was built from, so that the same
program always writes the same pages.`

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man FOLDER",
		Short:   "Write manual pages",
		Long:    manLong,
		Example: "  kvconnect man /usr/local/share/man/man1\n  kvconnect man . && man ./kvconnect-serve.1",
		Args:    exactArgs(1),

		Annotations: noConfig(),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(command *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // everybody may read manuals
				return fmt.Errorf("write manual pages: %w", err)
			}
			root := command.Root()
			root.DisableAutoGenTag = true
			nameVariables(root)
			if err := doc.GenManTree(root, manHeader(), args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}

// manHeader is what all pages say of the program. Without a commit they have the date of today.
func manHeader() *doc.GenManHeader {
	b := readBuild()
	header := &doc.GenManHeader{Section: "1", Source: "kvconnect " + b.Version, Manual: "User Commands"}
	if date, err := time.Parse(time.RFC3339, b.Time); err == nil {
		header.Date = &date
	}
	return header
}

// nameVariables has the usage of each flag name the variables that set it.
func nameVariables(command *cobra.Command) {
	command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if variables := variablesForHelp(command, flag); len(variables) > 0 {
			flag.Usage += " (env " + strings.Join(variables, " or ") + ")"
		}
	})
	for _, child := range command.Commands() {
		nameVariables(child)
	}
}

// variablesForHelp gives the variables that set a flag of a command.
func variablesForHelp(command *cobra.Command, flag *pflag.Flag) []string {
	if command.Annotations[annotationServes] == "" || flag.Name == flagConfig || settingsOfCommand(command).Lookup(flag.Name) == nil ||
		!config.IsConfigurable(flag) {
		return nil
	}
	return config.Variables(flag)
}
