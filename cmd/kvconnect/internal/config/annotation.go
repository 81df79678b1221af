package config

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// VariablePrefix is what the variables of flags begin with.
const VariablePrefix = "KVCONNECT_"

// The annotations of a flag.
const (
	annotationVariables   = "kvconnect_variables"
	annotationSecret      = "kvconnect_secret"
	annotationCommandLine = "kvconnect_command_line"
)

// NameVariable gives a flag a variable beside the one that is made of its name.
func NameVariable(flags *pflag.FlagSet, name, variable string) {
	annotate(flags, name, annotationVariables, variable)
}

// MarkSecret says that the value of a flag is shown to nobody, and that a file which holds
// it must be private.
func MarkSecret(flags *pflag.FlagSet, name string) { annotate(flags, name, annotationSecret, "") }

// MarkCommandLineOnly says that a flag can be given on the command line alone. why goes on
// from "NAME is for the command line: ".
func MarkCommandLineOnly(flags *pflag.FlagSet, name, why string) {
	annotate(flags, name, annotationCommandLine, why)
}

// annotate does nothing for a flag that there is not.
func annotate(flags *pflag.FlagSet, name, annotation, value string) {
	if flag := flags.Lookup(name); flag != nil {
		_ = flags.SetAnnotation(name, annotation, append(flag.Annotations[annotation], value)) // it is there
	}
}

// Variables gives the variables of a flag, of which the first is made of its name.
func Variables(flag *pflag.Flag) []string {
	made := VariablePrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
	variables := []string{made}
	for _, variable := range flag.Annotations[annotationVariables] {
		if !slices.Contains(variables, variable) {
			variables = append(variables, variable)
		}
	}
	return variables
}

// IsSecret tells whether the value of a flag is shown to nobody.
func IsSecret(flag *pflag.Flag) bool { return flag.Annotations[annotationSecret] != nil }

// IsConfigurable tells whether a flag can be set by a file or a variable: hidden flags cannot,
// nor those of the command line alone.
func IsConfigurable(flag *pflag.Flag) bool {
	return !flag.Hidden && flag.Annotations[annotationCommandLine] == nil
}
