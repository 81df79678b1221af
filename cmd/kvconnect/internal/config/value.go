package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// form is what the values of a type of flags look like.
type form struct {
	// ask says what to give, for errors.
	ask string
	// texts gives a value of the file as the texts of a flag; ok is false for a value of
	// another type.
	texts func(value any) (texts []string, ok bool)
}

// formOf gives the form of a flag by the type that it has in pflag.
func formOf(flag *pflag.Flag) form {
	switch flag.Value.Type() {
	case "bool":
		return form{"give true or false", boolText}
	case "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64":
		return form{"give a whole number", integerText}
	case "float32", "float64":
		return form{"give a number", numberText}
	case "duration":
		return form{"give a duration such as \"5m\" or \"1h30m\"", stringText}
	case "stringSlice", "stringArray":
		return form{"give a list of strings such as [\"a\", \"b\"]", stringTexts}
	case "size":
		return form{"give a size such as \"500MB\" or \"2GiB\", or a number of bytes", sizeText}
	default:
		return form{"give a string, in quotation marks", stringText}
	}
}

func boolText(value any) ([]string, bool) {
	b, ok := value.(bool)
	return []string{strconv.FormatBool(b)}, ok
}

func integerText(value any) ([]string, bool) {
	n, ok := value.(int64)
	return []string{strconv.FormatInt(n, 10)}, ok
}

func numberText(value any) ([]string, bool) {
	if n, ok := value.(float64); ok {
		return []string{strconv.FormatFloat(n, 'g', -1, 64)}, true
	}
	return integerText(value)
}

func stringText(value any) ([]string, bool) {
	s, ok := value.(string)
	return []string{s}, ok
}

func sizeText(value any) ([]string, bool) {
	if texts, ok := stringText(value); ok {
		return texts, true
	}
	return integerText(value)
}

func stringTexts(value any) ([]string, bool) {
	list, ok := value.([]any)
	texts := make([]string, len(list))
	for i, element := range list {
		s, isString := element.(string)
		texts[i], ok = s, ok && isString
	}
	return texts, ok
}

// assign gives a flag a value of the file, without marking it as given on the command line.
func assign(flag *pflag.Flag, texts []string) error {
	if list, isList := flag.Value.(pflag.SliceValue); isList {
		return list.Replace(texts)
	}
	return assignText(flag, texts[0])
}

// assignText gives a flag a value as it would stand on the command line.
func assignText(flag *pflag.Flag, text string) error {
	err := flag.Value.Set(text)
	if err == nil {
		return nil
	}
	if ofPflag := strings.HasPrefix(fmt.Sprintf("%T", flag.Value), "*pflag."); ofPflag {
		err = errors.New(formOf(flag).ask) // those of pflag are for programmers
	}
	if IsSecret(flag) {
		return err
	}
	return fmt.Errorf("%q: %w", text, err)
}
