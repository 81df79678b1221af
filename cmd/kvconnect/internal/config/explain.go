package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Explain adds to an error where the settings that it names come from, if that is not the
// command line. Errors name settings as flags, with the dashes, and files and folders by their
// paths. It keeps nil, and the lines of errors that were joined apart.
func (s *Settings) Explain(err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		lines := slices.Clone(joined.Unwrap())
		if texts := textsOf(lines); strings.Join(texts, "\n") == err.Error() {
			for i, line := range lines {
				lines[i] = s.Explain(line)
			}
			return errors.Join(lines...)
		}
	}
	var origins []string
	for _, name := range append(s.flagsIn(err.Error()), s.pathsIn(err.Error())...) {
		if source := s.sources[name]; source.Kind == File || source.Kind == Variable {
			if origin := name + source.isSet(); !slices.Contains(origins, origin) {
				origins = append(origins, origin)
			}
		}
	}
	if len(origins) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(origins, ", "))
}

// flagsIn gives what a text has with the dashes of a flag before it.
func (s *Settings) flagsIn(text string) (names []string) {
	for _, match := range regexp.MustCompile(`--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`).FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// pathsIn gives the flags whose value is a path that stands in a text. Their help calls the
// value a file or a folder.
func (s *Settings) pathsIn(text string) (names []string) {
	s.flags.VisitAll(func(flag *pflag.Flag) {
		value, path := "", flag.Value.String()
		if s.sources[flag.Name].Kind != Default && path != "" {
			value, _ = pflag.UnquoteUsage(flag)
		}
		if (value == "file" || value == "folder") &&
			regexp.MustCompile(`(?:^|[\s/"])`+regexp.QuoteMeta(path)+`(?:$|[\s/:;,"])`).MatchString(text) {
			names = append(names, flag.Name)
		}
	})
	return names
}

func textsOf(errs []error) []string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return texts
}
