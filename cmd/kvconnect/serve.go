package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/spf13/cobra"
)

const serveLong = `Serve a Deno KV database over the KV Connect protocol.

Without an access token, the first start makes one and prints it once; only its
hash is kept, in the file FILE.secrets.json beside the database. The first SIGINT
or SIGTERM ends the server when the requests under way are answered, the second
one at once.`

const serveExample = `  kvconnect serve
  DENO_KV_ACCESS_TOKEN_FILE=/run/secrets/kv kvconnect serve --addr 127.0.0.1:4512
  kvconnect --sqlite-path app.sqlite serve --read-only`

// serveFlags holds what serve was told, as it was told.
type serveFlags struct {
	accessToken     string
	accessTokenFile string
	durability      string
	transport       string
	publicURL       string
	trustedProxies  []string
	options         service.Options
}

func newServeCommand(root *rootOptions) *cobra.Command {
	var flags serveFlags
	command := &cobra.Command{
		Use:     "serve",
		Short:   "Serve a database",
		Long:    serveLong,
		Example: serveExample,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := flags.resolve(command, root)
			if err != nil {
				return err
			}
			return service.Run(command.Context(), options)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.options.Addr, "addr", "0.0.0.0:4512", "the `address` to listen on")
	f.StringVar(&flags.options.AdminAddr, "admin-addr", service.DefaultAdminAddr,
		"the `address` for health checks, not meant for the public; empty for none")
	f.StringVar(&flags.accessToken, "access-token", "",
		"the `token` that programs open the database with, at least 12 characters (env "+envAccessToken+")")
	f.StringVar(&flags.accessTokenFile, "access-token-file", "",
		"a `file` with the access token (env "+envAccessTokenFile+")")
	f.BoolVar(&flags.options.NewAccessToken, "new-access-token", false,
		"make and print a new access token in place of the one made before")
	f.BoolVar(&flags.options.ReadOnly, "read-only", false, "open the database for reading only")
	f.StringVar(&flags.durability, "durability", string(sqlitebackend.DurabilityFull),
		"what a power cut may cost: full, nothing that was acknowledged; normal, the last moments of it (`full|normal`)")
	f.StringVar(&flags.transport, "transport", string(service.TransportLoop),
		"what carries HTTP/2: loop, a loop made for reads, writes and watches; std, Go's own server, several times slower (`loop|std`)")
	f.StringVar(&flags.publicURL, "public-url", "",
		"the `URL` that clients reach the server by, if it is not the one that their requests name")
	f.StringSliceVar(&flags.trustedProxies, "trusted-proxy", nil,
		"an `address` or network (10.0.0.0/8) whose X-Forwarded-Proto and X-Forwarded-Host are believed; may be repeated")
	command.MarkFlagsMutuallyExclusive("access-token", "access-token-file", "new-access-token")
	return command
}

// resolve turns flags and environment into options.
func (flags serveFlags) resolve(command *cobra.Command, root *rootOptions) (options service.Options, err error) {
	options = flags.options
	options.SQLitePath = root.sqlitePath
	options.Version = version()
	options.Out = command.OutOrStdout()
	options.Logger = slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
	options.Durability = sqlitebackend.Durability(flags.durability)
	options.Transport = service.Transport(flags.transport)
	options.AdminAddrChosen = command.Flags().Changed("admin-addr")
	if options.AccessToken, err = flags.resolveAccessToken(command); err != nil {
		return service.Options{}, err
	}
	if options.PublicURL, err = parsePublicURL(flags.publicURL); err != nil {
		return service.Options{}, err
	}
	if options.TrustedProxies, err = parsePrefixes(flags.trustedProxies); err != nil {
		return service.Options{}, err
	}
	return options, nil
}

// resolveAccessToken gives the token that the user chose, or "" for none. A flag
// counts for more than the environment.
func (flags serveFlags) resolveAccessToken(command *cobra.Command) (string, error) {
	switch {
	case command.Flags().Changed("access-token"):
		if flags.accessToken == "" {
			return "", errors.New("--access-token is empty: leave it out to have a token made")
		}
		return flags.accessToken, nil
	case flags.options.NewAccessToken:
		return "", nil
	case command.Flags().Changed("access-token-file"):
		return readAccessToken(flags.accessTokenFile)
	default:
		return accessTokenFromEnv()
	}
}

func parsePublicURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("--public-url %q: give an address such as https://kv.example.com", text)
	}
	return u, nil
}

// parsePrefixes reads networks, and addresses as networks of one.
func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy %q: give an address or a network such as 10.0.0.0/8", text)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}
