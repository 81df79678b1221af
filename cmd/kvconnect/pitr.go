package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// newPitrCommand gives denokv's tools for point-in-time recovery, which are refused.
func newPitrCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "pitr",
		Short:   "Refuse denokv's point-in-time recovery",
		Long:    "denokv has the commands sync, list, info and checkout here, for replicas that follow a database of Deno Deploy.\nkvconnect has none of them.",
		Example: "  kvconnect pitr list",
		Hidden:  true,

		Annotations:        noConfig(),
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("pitr: kvconnect has no point-in-time recovery: back up the file the SQLite way, with sqlite3 FILE \".backup COPY\", " +
				"and put the copy in its place to go back; see \"Back up\" in docs/operations.md")
		},
	}
}
