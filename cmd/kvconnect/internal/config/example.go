package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// exampleColumns is how wide the comments of the example are at most.
const exampleColumns = 90

// WriteExample writes a file with every flag of the set that a file can set, each commented
// out: its meaning, its variables and its default. With the number signs before the keys taken
// away it says what no file says. header stands before it all, as lines of comment.
func WriteExample(out io.Writer, flags *pflag.FlagSet, header string) error {
	var b strings.Builder
	writeComment(&b, header)
	flags.VisitAll(func(flag *pflag.Flag) {
		if !IsConfigurable(flag) {
			return
		}
		_, usage := pflag.UnquoteUsage(flag)
		b.WriteByte('\n')
		writeComment(&b, sentence(usage))
		writeComment(&b, "Environment: "+strings.Join(Variables(flag), " or "))
		fmt.Fprintf(&b, "#%s = %s\n", flag.Name, literal(flag, defaultTexts(flag)))
	})
	_, err := io.WriteString(out, b.String())
	return err
}

// defaultTexts is currentTexts of the default.
func defaultTexts(flag *pflag.Flag) []string {
	if _, isList := flag.Value.(pflag.SliceValue); isList {
		inner := strings.TrimSuffix(strings.TrimPrefix(flag.DefValue, "["), "]")
		if inner == "" {
			return nil
		}
		return strings.Split(inner, ",")
	}
	return []string{flag.DefValue}
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// writeComment breaks each line of a text where it gets too wide.
func writeComment(b *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		width := 0
		for _, word := range strings.Fields(line) {
			switch {
			case width == 0:
				b.WriteByte('#')
				width = 1
			case width+1+len(word) > exampleColumns:
				b.WriteString("\n#")
				width = 1
			}
			b.WriteString(" " + word)
			width += 1 + len(word)
		}
		if width == 0 {
			b.WriteByte('#')
		}
		b.WriteByte('\n')
	}
}
