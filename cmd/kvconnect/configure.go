package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// annotationNoConfig is of commands that no file and no variable of a flag has a say in. They
// work whatever state the file is in.
const annotationNoConfig = "kvconnect_no_config"

// noConfig is the annotation.
func noConfig() map[string]string { return map[string]string{annotationNoConfig: "true"} }

// annotationSettings is of commands that do not serve, and take more of the settings of a
// server than which databases are meant: their names, with commas between them.
const annotationSettings = "kvconnect_settings"

// takesSettings is the annotation.
func takesSettings(names ...string) map[string]string {
	return map[string]string{annotationSettings: strings.Join(names, ",")}
}

// configure gives the flags of a command what the environment and the file have for them.
func (o *rootOptions) configure(command *cobra.Command) error {
	if command.Annotations[annotationNoConfig] != "" || isOfCobra(command) {
		return nil
	}
	entries, err := o.readConfig(command)
	if err != nil {
		return err
	}
	keys := settingsOf(command.Root())
	o.settings, err = config.Resolve(settingsOfCommand(command), entries, os.Getenv)
	o.folderUnclear = o.settings.IsUnusable(flagDataDir) || slices.Contains(config.MeantKeys(keys, entries), flagDataDir)
	o.misset = errors.Join(config.CheckKeys(keys, entries), err)
	if o.misset != nil && command.Annotations[annotationServes] == "" {
		return o.misset
	}
	for _, m := range config.MisspeltVariables(os.Environ(), keys, otherVariables()...) {
		o.warnings = append(o.warnings, fmt.Sprintf("the variable %s is not used: is %s meant?", m.Variable, m.Meant))
	}
	return nil
}

// readConfig reads the file that a flag or a variable names; nil if there is none.
func (o *rootOptions) readConfig(command *cobra.Command) (*config.Entries, error) {
	if o.configPath != "" {
		return config.ReadFile(o.configPath)
	}
	if command.Flags().Changed(flagConfig) {
		return nil, errors.New("--config is empty: name a file, or leave it out")
	}
	path := os.Getenv(envConfig)
	if path == "" {
		return nil, nil
	}
	entries, err := config.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w (the file is named by %s)", err, envConfig)
	}
	return entries, nil
}

// writeWarnings tells people of what stops nobody.
func (o *rootOptions) writeWarnings(w io.Writer) error {
	for _, warning := range o.warnings {
		if _, err := fmt.Fprintln(w, "warning:", warning); err != nil {
			return err
		}
	}
	return nil
}

// isOfCobra tells whether a command is one that cobra makes by itself.
func isOfCobra(command *cobra.Command) bool {
	for c := command; c.HasParent(); c = c.Parent() {
		if slices.Contains([]string{"help", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, c.Name()) {
			return true
		}
	}
	return false
}

// otherVariables are those with the prefix of ours that belong to no flag.
func otherVariables() []string {
	return []string{envConfig, envMasterToken, envMasterTokenFile, envAdminToken, envAdminTokenFile}
}

// settingsOf gives every flag that a file may have a key for, in the order of the example.
func settingsOf(root *cobra.Command) *pflag.FlagSet {
	settings := newFlagSet()
	addSettings(settings, root.PersistentFlags())
	for _, command := range root.Commands() {
		switch command.Name() {
		case "serve":
			addSettings(settings, command.Flags())
		case "db": // token and keys have the same
			addSettings(settings, command.PersistentFlags())
		}
	}
	return settings
}

// settingsOfCommand gives the flags of a command that other places may set: of one that serves
// all, of others those that say which databases are meant, and those of their annotation.
func settingsOfCommand(command *cobra.Command) *pflag.FlagSet {
	settings := newFlagSet()
	if command.Annotations[annotationServes] != "" {
		addSettings(settings, command.Root().PersistentFlags())
		addSettings(settings, command.Flags())
		return settings
	}
	names := append([]string{flagSQLitePath, flagDataDir, flagAdminURL}, strings.Split(command.Annotations[annotationSettings], ",")...)
	for _, name := range names {
		if flag := command.Flags().Lookup(name); flag != nil {
			settings.AddFlag(flag)
		}
	}
	return settings
}

func newFlagSet() *pflag.FlagSet {
	settings := pflag.NewFlagSet("", pflag.ContinueOnError)
	settings.SortFlags = false
	return settings
}

// addSettings adds the flags of a set that are settings.
func addSettings(settings, from *pflag.FlagSet) {
	from.VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "help" && flag.Name != "version" && flag.Name != flagConfig && settings.Lookup(flag.Name) == nil {
			settings.AddFlag(flag)
		}
	})
}
