package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Settings tell where the values of flags come from.
type Settings struct {
	flags   *pflag.FlagSet
	sources map[string]Source // of those that are not the default
	// unusable are the flags for which a file or a variable has what cannot be used.
	unusable []string
}

// Resolve gives each flag the value of the place that counts most, and tells where that is.
// entries is nil if there is no file, and lookup gives the value of a variable. A variable
// that is empty counts as not set. It fails for every variable and entry that cannot be
// used, all at once. Flags that are not in the set are left alone, and so are their entries:
// CheckKeys tells of those that nobody knows.
//
// The flags are not marked as changed: that they are tells who was named on the command line.
func Resolve(flags *pflag.FlagSet, entries *Entries, lookup func(string) string) (*Settings, error) {
	s := &Settings{flags: flags, sources: make(map[string]Source)}
	var errs []error
	flags.VisitAll(func(flag *pflag.Flag) {
		source, err := resolve(flag, entries, lookup)
		if err != nil {
			errs = append(errs, err)
			s.unusable = append(s.unusable, flag.Name)
		}
		if source.Kind != Default {
			s.sources[flag.Name] = source
		}
	})
	return s, errors.Join(errs...)
}

func resolve(flag *pflag.Flag, entries *Entries, lookup func(string) string) (Source, error) {
	if !IsConfigurable(flag) {
		if flag.Changed {
			return Source{Flag, "--" + flag.Name}, nil
		}
		return Source{}, refuse(flag, entries, lookup)
	}
	texts, inFile, fileErr := textsInFile(flag, entries)
	variable, text, variableErr := valueInEnvironment(flag, lookup)
	switch {
	case flag.Changed:
		return Source{Flag, "--" + flag.Name}, fileErr
	case variableErr != nil:
		return Source{}, errors.Join(fileErr, variableErr)
	case variable != "":
		if err := assignText(flag, text); err != nil {
			return Source{}, errors.Join(fileErr, fmt.Errorf("%s: %w", variable, err))
		}
		return Source{Variable, variable}, fileErr
	case inFile && fileErr == nil:
		place := entries.place(flag.Name)
		if err := assign(flag, texts); err != nil {
			return Source{}, fmt.Errorf("%s: %s: %w", place, flag.Name, err)
		}
		return Source{File, place}, nil
	default:
		return Source{}, fileErr
	}
}

// refuse fails if a flag of the command line alone is set elsewhere.
func refuse(flag *pflag.Flag, entries *Entries, lookup func(string) string) error {
	why := flag.Annotations[annotationCommandLine]
	if why == nil {
		return nil // it is hidden, and no key
	}
	var errs []error
	if entries != nil {
		if _, found := entries.byKey[flag.Name]; found {
			errs = append(errs, fmt.Errorf("%s: %s is for the command line: %s", entries.place(flag.Name), flag.Name, why[0]))
		}
	}
	if variable := Variables(flag)[0]; lookup(variable) != "" {
		errs = append(errs, fmt.Errorf("%s: --%s is for the command line: %s", variable, flag.Name, why[0]))
	}
	return errors.Join(errs...)
}

// textsInFile gives what the file has for a flag. It fails for what is of another type.
func textsInFile(flag *pflag.Flag, entries *Entries) (texts []string, found bool, err error) {
	if entries == nil {
		return nil, false, nil
	}
	e, found := entries.byKey[flag.Name]
	if !found {
		return nil, false, nil
	}
	f, place := formOf(flag), entries.place(flag.Name)
	texts, ok := f.texts(e.value)
	if !ok {
		return nil, true, fmt.Errorf("%s: %s: %s", place, flag.Name, f.ask)
	}
	if IsSecret(flag) && entries.open && texts[0] != "" {
		return nil, true, fmt.Errorf("%s: %s is a secret, and everybody may read the file: run: chmod 600 %s",
			place, flag.Name, entries.path)
	}
	return texts, true, nil
}

// valueInEnvironment gives the variable that has a value for the flag, and the value. It fails
// for two that contradict each other.
func valueInEnvironment(flag *pflag.Flag, lookup func(string) string) (variable, value string, err error) {
	for _, name := range Variables(flag) {
		switch text := lookup(name); {
		case text == "" || text == value:
		case value != "":
			return "", "", fmt.Errorf("%s and %s are both set, and differ: unset one of them", variable, name)
		default:
			variable, value = name, text
		}
	}
	return variable, value, nil
}

// From gives where the value of a flag comes from.
func (s *Settings) From(name string) Source { return s.sources[name] }

// IsUnusable tells whether a file or a variable has something for a flag that cannot be used.
func (s *Settings) IsUnusable(name string) bool { return slices.Contains(s.unusable, name) }

// ChosenBy is From, but gives the default for what a variable or a file repeats of it: a file
// that lists every setting chooses none of them.
func (s *Settings) ChosenBy(name string) Source {
	source, flag := s.sources[name], s.flags.Lookup(name)
	if source.Kind != Flag && flag != nil && flag.Value.String() == flag.DefValue {
		return Source{}
	}
	return source
}

// CheckKeys fails for keys that no flag of the set has, with what may have been meant.
// entries may be nil.
func CheckKeys(flags *pflag.FlagSet, entries *Entries) error {
	unknown, names := unknownKeys(flags, entries)
	errs := make([]error, len(unknown))
	for i, key := range unknown {
		errs[i] = unknownKey(entries, key, names)
	}
	return errors.Join(errs...)
}

// MeantKeys gives what the keys that CheckKeys fails for may have been meant to be. What follows
// from the want of one of them need not be told.
func MeantKeys(flags *pflag.FlagSet, entries *Entries) []string {
	unknown, names := unknownKeys(flags, entries)
	var meant []string
	for _, key := range unknown {
		if near, found := nearest(key, names); found {
			meant = append(meant, near)
		}
	}
	return meant
}

// unknownKeys gives the keys that no flag has, and the names of those that a file can set.
func unknownKeys(flags *pflag.FlagSet, entries *Entries) (unknown, names []string) {
	flags.VisitAll(func(flag *pflag.Flag) {
		if IsConfigurable(flag) {
			names = append(names, flag.Name)
		}
	})
	if entries == nil {
		return nil, names
	}
	for _, key := range entries.order {
		flag := flags.Lookup(key)
		if slices.Contains(names, key) || flag != nil && !flag.Hidden { // of which Resolve tells
			continue
		}
		unknown = append(unknown, key)
	}
	return unknown, names
}

func unknownKey(entries *Entries, key string, names []string) error {
	place := entries.place(key)
	if table, _, nested := strings.Cut(key, "."); nested || isTable(entries.byKey[key].value) {
		return fmt.Errorf("%s: unknown table %q: all settings are keys at the top of the file, such as addr = \"127.0.0.1:4512\"", place, table)
	}
	if near, found := nearest(key, names); found {
		return fmt.Errorf("%s: unknown key %q: did you mean %q?", place, key, near)
	}
	return fmt.Errorf("%s: unknown key %q: \"kvconnect config example\" lists all that there are", place, key)
}

func isTable(value any) bool {
	switch value.(type) {
	case map[string]any, []map[string]any:
		return true
	default:
		return false
	}
}
