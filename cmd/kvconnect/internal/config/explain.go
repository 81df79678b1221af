package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Explain adds to an error where the settings that it names come from, if that is not the
// command line. Errors name settings as flags, with the dashes. It keeps nil, and the lines of
// errors that were joined apart.
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
	for _, match := range flagInText().FindAllStringSubmatch(err.Error(), -1) {
		if source := s.sources[match[1]]; source.Kind == File || source.Kind == Variable {
			if origin := match[1] + source.isSet(); !slices.Contains(origins, origin) {
				origins = append(origins, origin)
			}
		}
	}
	if len(origins) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(origins, ", "))
}

func flagInText() *regexp.Regexp { return regexp.MustCompile(`--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)`) }

func textsOf(errs []error) []string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = err.Error()
	}
	return texts
}
