package config

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Misspelt is a variable that nobody reads, and the one that may have been meant.
type Misspelt struct{ Variable, Meant string }

// MisspeltVariables looks in an environment for variables that are nearly those of a flag, or
// one of others. Far ones with the prefix are left alone: Kubernetes makes some, such as
// KVCONNECT_SERVICE_HOST, for a service that is called like the program.
func MisspeltVariables(environ []string, flags *pflag.FlagSet, others ...string) []Misspelt {
	var known []string // without the prefix, which would make all of them alike
	add := func(variable string) {
		if name, ours := strings.CutPrefix(variable, VariablePrefix); ours {
			known = append(known, name)
		}
	}
	flags.VisitAll(func(flag *pflag.Flag) {
		for _, variable := range Variables(flag) {
			add(variable)
		}
	})
	for _, variable := range others {
		add(variable)
	}
	var found []Misspelt
	for _, setting := range environ {
		variable, value, _ := strings.Cut(setting, "=")
		name, ours := strings.CutPrefix(variable, VariablePrefix)
		if !ours || value == "" || slices.Contains(known, name) {
			continue
		}
		if near, ok := nearest(name, known); ok {
			found = append(found, Misspelt{variable, VariablePrefix + near})
		}
	}
	return found
}
