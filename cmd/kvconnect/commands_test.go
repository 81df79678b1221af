package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// walk calls f with a command and all below it, hidden ones included.
func walk(command *cobra.Command, f func(*cobra.Command)) {
	f(command)
	for _, child := range command.Commands() {
		walk(child, f)
	}
}

// The help of every command says what it is for, and shows how it is used.
func TestHelpOfCommands(t *testing.T) {
	t.Parallel()
	walk(newRootCommand(), func(command *cobra.Command) {
		path := command.CommandPath()
		for part, text := range map[string]string{"Short": command.Short, "Long": command.Long, "Example": command.Example} {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s has no %s", path, part)
			}
		}
		for line := range strings.Lines(command.Example) {
			if !strings.HasPrefix(line, "  ") || !strings.Contains(line, "kvconnect") {
				t.Errorf("%s: the example %q is not indented, or is about something else", path, line)
			}
		}
		command.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if flag.Usage == "" {
				t.Errorf("%s --%s has no text", path, flag.Name)
			}
		})
	})
}

// The examples name commands and flags that there are.
func TestExamplesOfCommands(t *testing.T) {
	t.Parallel()
	walk(newRootCommand(), func(command *cobra.Command) {
		if command.Name() == "pitr" {
			return // whose example is of what is refused
		}
		for line := range strings.Lines(command.Example) {
			_, after, found := strings.Cut(line, "kvconnect ")
			if !found {
				continue
			}
			after, _, _ = strings.Cut(after, " > ")
			after, _, _ = strings.Cut(after, " | ")
			after, _, _ = strings.Cut(after, " && ")
			root := newRootCommand() // flags keep what they are given
			used, args, err := root.Find(strings.Fields(strings.Trim(after, "\n)")))
			if err == nil {
				err = used.ParseFlags(args)
			}
			if err != nil || used == root {
				t.Errorf("%s: the example %q: command %s, %v", command.CommandPath(), line, used.CommandPath(), err)
			}
		}
	})
}
