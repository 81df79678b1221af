package config

import (
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Setting is the value of a flag, and where it comes from.
type Setting struct {
	Name string
	// Value is as it would stand in the file; of a secret it only tells whether there is one,
	// and a password in a URL is left out.
	Value string
	From  Source
}

// Describe gives what is in force, in the order of the flags. Hidden flags are left out.
func (s *Settings) Describe() []Setting {
	var all []Setting
	s.flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		value := literal(flag, withoutPasswords(currentTexts(flag)))
		if IsSecret(flag) && flag.Value.String() != "" {
			value = "(not shown)"
		}
		all = append(all, Setting{Name: flag.Name, Value: value, From: s.From(flag.Name)})
	})
	return all
}

// withoutPasswords gives the texts with xxxxx for the password of each URL that has one.
func withoutPasswords(texts []string) []string {
	shown := slices.Clone(texts)
	for i, text := range shown {
		if u, err := url.Parse(text); err == nil && u.User != nil {
			shown[i] = u.Redacted()
		}
	}
	return shown
}

// currentTexts gives the value of a flag as texts, of a list one for each element.
func currentTexts(flag *pflag.Flag) []string {
	if list, isList := flag.Value.(pflag.SliceValue); isList {
		return list.GetSlice()
	}
	return []string{flag.Value.String()}
}

// literal gives the texts of a flag as a value in TOML.
func literal(flag *pflag.Flag, texts []string) string {
	switch flag.Value.Type() {
	case "bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "size":
		return texts[0]
	case "stringSlice", "stringArray":
		quoted := make([]string, len(texts))
		for i, text := range texts {
			quoted[i] = quote(text)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case "duration":
		return quote(shortDuration(texts[0]))
	default:
		return quote(texts[0])
	}
}

// shortDuration gives 5m for the 5m0s that Go makes of it.
func shortDuration(text string) string {
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}

// quote gives a basic string of TOML.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			const digits = "0123456789abcdef"
			b.WriteString(`\u00`)
			b.WriteByte(digits[r>>4])
			b.WriteByte(digits[r&0xf])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
