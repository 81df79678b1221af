package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completionPatience is how long somebody who presses the tab key waits for a server.
const completionPatience = time.Second

// completeCommands says what shells may complete in all commands, and gives those that cobra
// makes by itself their examples. It is called when all commands are there.
func (o *rootOptions) completeCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for path, example := range map[string]string{
		"help":                  "  kvconnect help serve",
		"completion":            "  kvconnect completion bash > /etc/bash_completion.d/kvconnect",
		"completion bash":       "  kvconnect completion bash > /etc/bash_completion.d/kvconnect\n  source <(kvconnect completion bash)",
		"completion fish":       "  kvconnect completion fish > ~/.config/fish/completions/kvconnect.fish",
		"completion powershell": "  kvconnect completion powershell | Out-String | Invoke-Expression",
		"completion zsh":        "  kvconnect completion zsh > \"${fpath[1]}/_kvconnect\"\n  source <(kvconnect completion zsh)",
	} {
		if command, _, err := root.Find(strings.Fields(path)); err == nil {
			command.Example = example
		}
	}
	o.completeCommand(root)
}

// completeCommand goes through a command and those below it.
func (o *rootOptions) completeCommand(command *cobra.Command) {
	complete := func(flag *pflag.Flag) {
		if f := o.completionOf(flag); f != nil {
			_ = command.RegisterFlagCompletionFunc(flag.Name, f) // the flag is there
		}
	}
	command.LocalNonPersistentFlags().VisitAll(complete)
	command.PersistentFlags().VisitAll(complete)
	if strings.Contains(command.Use, " DATABASE") && command.ValidArgsFunction == nil {
		command.ValidArgsFunction = o.completeDatabase
	}
	for _, child := range command.Commands() {
		o.completeCommand(child)
	}
}

// completionOf gives what completes the value of a flag, by the name that its help has for the
// value; nil for files, which shells complete by themselves.
func (o *rootOptions) completionOf(flag *pflag.Flag) cobra.CompletionFunc {
	value, _ := pflag.UnquoteUsage(flag)
	switch {
	case flag.Name == "workload":
		var names []string
		for _, w := range bench.Workloads() {
			names = append(names, w.Name)
		}
		return cobra.FixedCompletions(append(names, "all"), cobra.ShellCompDirectiveNoFileComp)
	case strings.Contains(value, "|"):
		return cobra.FixedCompletions(strings.Split(value, "|"), cobra.ShellCompDirectiveNoFileComp)
	case value == "database":
		return o.completeDatabase
	case value == "folder":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case slices.Contains(strings.Fields(value), "file"):
		return nil
	default:
		return cobra.NoFileCompletions
	}
}

// completeDatabase gives the names of the databases of a data folder, if a server has it open:
// to open it for this alone would be in the way of one that starts.
func (o *rootOptions) completeDatabase(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 || o.configure(command) != nil || o.folder() == "" {
		return nil, nothing
	}
	found, err := datadir.ReadAdminAccess(o.folder())
	if err != nil {
		return nil, nothing
	}
	client, err := admin.NewClient(found.URL, found.Token)
	if err != nil {
		return nil, nothing
	}
	ctx, cancel := context.WithTimeout(command.Context(), completionPatience)
	defer cancel()
	databases, err := client.Databases(ctx)
	if err != nil || client.Close() != nil {
		return nil, nothing
	}
	names := make([]string, len(databases))
	for i, d := range databases {
		names[i] = d.Name
	}
	return names, nothing
}
