package main

import (
	"errors"
	"fmt"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/doctor"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/spf13/cobra"
)

const doctorLong = `Look at what a server needs, and say what to do about what is not as it should be: the
file of the database or the data folder, permissions, free space, integrity, addresses, the
access token, the certificate, the clock, limits of the system.

It changes nothing, and works while a server runs and while none does. Run it as the user
that the server runs as, with the flags and the environment of the server. The databases are
read from end to end, which takes a minute for some ten gigabytes.

The exit code is 1 if a check failed, and 0 if there are warnings at most.`

const doctorExample = `  kvconnect doctor
  kvconnect doctor --sqlite-path /var/lib/kv/app.sqlite --full
  kvconnect doctor --data-dir /var/lib/kvconnect --json`

// doctorFlags holds what doctor was told.
type doctorFlags struct {
	options     doctor.Options
	accessToken accessTokenFlags // it is tried out if a server runs
	asJSON      bool
}

func newDoctorCommand(root *rootOptions) *cobra.Command {
	var flags doctorFlags
	command := &cobra.Command{
		Use:     "doctor",
		Short:   "Look for what is wrong, and say what to do",
		Long:    doctorLong,
		Example: doctorExample,
		Args:    cobra.NoArgs,

		Annotations: takesSettings("addr", "admin-addr", "read-only", flagAccessToken, flagAccessTokenFile),
		RunE:        func(command *cobra.Command, _ []string) error { return flags.run(command, root) },
	}
	f := command.Flags()
	f.StringVar(&flags.options.Addr, "addr", defaultAddr, "the `address` that the server listens on, or is to")
	f.StringVar(&flags.options.AdminAddr, "admin-addr", service.DefaultAdminAddr,
		"the `address` of the server for operators; empty for none")
	flags.accessToken.addTo(f)
	f.BoolVar(&flags.options.ReadOnly, "read-only", false, "the server only reads the file, and need not be able to write")
	f.BoolVar(&flags.options.Thorough, "full", false,
		"compare each index with its table too, and look into all databases of a folder; takes several times longer")
	f.BoolVar(&flags.asJSON, "json", false, "print JSON")
	return command
}

func (flags *doctorFlags) run(command *cobra.Command, root *rootOptions) error {
	options := flags.options
	options.SQLitePath, options.DataDir = root.sqlitePath, root.folder()
	if err := errors.Join(root.checkOnePlace(), root.writeWarnings(command.ErrOrStderr())); err != nil {
		return root.settings.Explain(err)
	}
	// That the token cannot be found is a finding.
	options.Token.Value, options.Token.File, options.Token.Err = flags.accessToken.resolve(root.settings, options.DataDir)
	options.Token.Err = root.settings.Explain(options.Token.Err)
	options.ReadOnly = options.ReadOnly && options.DataDir == "" // as in serve, it is for one file
	report := doctor.Run(command.Context(), options)
	for i, finding := range report.Findings {
		if finding.Advice != "" {
			report.Findings[i].Advice = root.settings.Explain(errors.New(finding.Advice)).Error()
		}
	}
	write := report.WriteText
	if flags.asJSON {
		write = report.WriteJSON
	}
	if err := write(command.OutOrStdout()); err != nil {
		return err
	}
	if report.Failures > 0 {
		return fmt.Errorf("%d of %d checks failed", report.Failures, len(report.Findings))
	}
	return nil
}
