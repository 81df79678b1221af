// Package config sets the flags of a command from more than the command line: a flag counts
// for more than a variable of the environment, a variable for more than the file, and the
// file for more than the default. It knows no flag by name: what there is to set, the names
// of variables, the types of values and the text of the example file all come from the flags.
package config
