package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/admin"
	"github.com/spf13/cobra"
)

func newDBListCommand(flags *adminFlags) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:     "list",
		Short:   "List the databases",
		Long:    "List the databases of a data folder with their ids and quotas.",
		Example: "  kvconnect --data-dir data db list\n  kvconnect --data-dir data db list --json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				all, err := o.Databases(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(command.OutOrStdout(), all)
				}
				table := newTable(command.OutOrStdout(), "NAME", "ID", "CREATED", "LIMITS")
				for _, d := range all {
					table.row(d.Name, d.ID.String(), formatTime(&d.CreatedAt), formatLimits(d.Limits))
				}
				return table.flush()
			})
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func newDBStatsCommand(flags *adminFlags) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:     "stats DATABASE",
		Short:   "Tell what a database holds",
		Long:    "Tell what a database holds and how it is used. The keys are counted, which takes some seconds for many millions.",
		Example: "  kvconnect --data-dir data db stats orders",
		Args:    exactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return flags.operate(command, false, func(ctx context.Context, o admin.Operations) error {
				stats, err := o.DatabaseStats(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(command.OutOrStdout(), stats)
				}
				return printStats(command.OutOrStdout(), stats)
			})
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func printStats(out io.Writer, stats admin.DatabaseStats) error {
	table := newTable(out)
	table.row("name", stats.Database.Name)
	table.row("id", stats.Database.ID.String())
	table.row("file", stats.Path)
	table.row("file size", fmt.Sprintf("%s, of which %s are used", formatBytes(stats.FileBytes), formatBytes(stats.UsedBytes)))
	table.row("write-ahead log", formatBytes(stats.WALBytes))
	table.row("keys", strconv.FormatInt(stats.Keys, 10))
	table.row("open watches", strconv.Itoa(stats.Watches))
	table.row("valid tokens", strconv.Itoa(stats.Tokens))
	table.row("limits", formatLimits(stats.Database.Limits))
	return table.flush()
}

// table prints columns that stand below each other.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

// row adds one. An error comes from flush.
func (t table) row(cells ...string) { _, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

func (t table) flush() error { return t.w.Flush() }

func formatTime(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// formatLimits gives limits for people; "none" if there are none.
func formatLimits(l admin.Limits) string {
	var limits []string
	if l.RequestsPerSecond > 0 {
		limits = append(limits, fmt.Sprintf("%v requests/s", l.RequestsPerSecond))
	}
	if l.Watches > 0 {
		limits = append(limits, fmt.Sprintf("%d watches", l.Watches))
	}
	if l.FileBytes > 0 {
		limits = append(limits, formatBytes(l.FileBytes))
	}
	return cmp.Or(strings.Join(limits, ", "), "none")
}
