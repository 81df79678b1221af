package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

const versionLong = `Print which version this is, the commit that it was built from, and the versions of Go and
SQLite in it. What is not known is left out: a program that "go run" makes knows no
commit, and its version is ` + devel + `.`

func newVersionCommand() *cobra.Command {
	var short, asJSON bool
	command := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    versionLong,
		Example: "  kvconnect version\n  kvconnect version --short\n  kvconnect version --json",
		Args:    cobra.NoArgs,

		Annotations: noConfig(),
		RunE: func(command *cobra.Command, _ []string) error {
			out, b := command.OutOrStdout(), readBuild()
			switch {
			case short:
				_, err := fmt.Fprintln(out, b.Version)
				return err
			case asJSON:
				return printJSON(out, b)
			default:
				return b.print(out)
			}
		},
	}
	command.Flags().BoolVar(&short, "short", false, "print the version alone")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	command.MarkFlagsMutuallyExclusive("short", "json")
	return command
}

func (b build) print(out io.Writer) error {
	t := newTable(out)
	t.row("kvconnect", b.Version)
	if b.Revision != "" {
		modified := ""
		if b.Modified {
			modified = ", with changes"
		}
		t.row("commit", b.Revision+modified)
	}
	if b.Time != "" {
		t.row("committed", b.Time)
	}
	t.row("go", b.Go+" "+b.OS+"/"+b.Arch)
	t.row("sqlite", b.SQLite)
	return t.flush()
}
