package config

// Kind says what kind of place a value comes from. A higher one counts for more.
type Kind int

// The kinds of places.
const (
	Default Kind = iota
	File
	Variable
	Flag
)

// Source is where a value comes from. The zero Source is the default.
type Source struct {
	Kind Kind
	// Name is a file and a line with a colon between them, a variable, or a flag with its
	// dashes; "" for the default.
	Name string
}

// isSet goes on from the name of a setting that comes from a file or a variable.
func (s Source) isSet() string {
	if s.Kind == Variable {
		return " is set by " + s.Name
	}
	return " is set in " + s.Name
}

// String is for people.
func (s Source) String() string {
	if s.Kind == Default {
		return "default"
	}
	return s.Name
}
