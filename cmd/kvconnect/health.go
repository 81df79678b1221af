package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/doctor"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/spf13/cobra"
)

const healthLong = `Ask a server whether it is ready, print what it says, and end with the exit code 1 if it is
not. This is for health checks where there is no other program, as in a container image.`

const healthExample = `  kvconnect health
  kvconnect health --admin-addr 0.0.0.0:4513
  kvconnect health --url https://kv.example.com`

// maxHealthBytes is more than a server has to say.
const maxHealthBytes = 4 << 10

func newHealthCommand(root *rootOptions) *cobra.Command {
	var adminAddr, serverURL string
	var timeout time.Duration
	command := &cobra.Command{
		Use:     "health",
		Short:   "Ask a server whether it is ready",
		Long:    healthLong,
		Example: healthExample,
		Args:    cobra.NoArgs,

		Annotations: takesSettings("admin-addr"),
		RunE: func(command *cobra.Command, _ []string) error {
			target, err := readyURL(adminAddr, serverURL)
			if err != nil {
				return root.settings.Explain(err)
			}
			ctx, cancel := context.WithTimeout(command.Context(), timeout)
			defer cancel()
			return root.settings.Explain(askReady(ctx, target, command.OutOrStdout()))
		},
	}
	f := command.Flags()
	f.StringVar(&adminAddr, "admin-addr", service.DefaultAdminAddr, "the `address` of the server for operators")
	f.StringVar(&serverURL, "url", "", "the `URL` of a server, in place of --admin-addr")
	f.DurationVar(&timeout, "timeout", 5*time.Second, "how long the server may take to answer")
	command.MarkFlagsMutuallyExclusive("admin-addr", "url")
	return command
}

// readyURL gives where to ask.
func readyURL(adminAddr, serverURL string) (string, error) {
	if serverURL != "" {
		u, err := url.Parse(serverURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return "", fmt.Errorf("--url %q: give an address such as http://localhost:4513", serverURL)
		}
		return u.JoinPath("readyz").String(), nil
	}
	if _, _, err := net.SplitHostPort(adminAddr); err != nil {
		return "", fmt.Errorf("--admin-addr %q: give an address such as %s", adminAddr, service.DefaultAdminAddr)
	}
	return "http://" + doctor.Reachable(adminAddr) + "/readyz", nil
}

// askReady prints what the server says, and fails unless it is ready.
func askReady(ctx context.Context, target string, out io.Writer) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w: start it, or name where it listens with --admin-addr or --url", err)
	}
	defer func() { err = errors.Join(err, reply.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(reply.Body, maxHealthBytes))
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	if _, err := fmt.Fprintln(out, strings.TrimSpace(string(text))); err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers with status %d", reply.StatusCode)
	}
	return nil
}
