package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/datadir"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/kvconnect/kvconnect/sqlitebackend"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const serveLong = `Serve a Deno KV database over the KV Connect protocol.

Without an access token, the first start makes one and prints it once; only its
hash is kept, in the file FILE.secrets.json beside the database.

With --data-dir it serves many databases, each with access tokens of its own, which
"kvconnect db" and "kvconnect token" make. A token in KVCONNECT_MASTER_TOKEN, or in the
file that KVCONNECT_MASTER_TOKEN_FILE names, opens all of them.

The first SIGINT or SIGTERM ends the server when the requests under way are answered,
the second one at once.`

const serveExample = `  kvconnect serve
  DENO_KV_ACCESS_TOKEN_FILE=/run/secrets/kv kvconnect serve --addr 127.0.0.1:4512
  kvconnect --sqlite-path app.sqlite serve --read-only
  kvconnect serve --data-dir data`

// serveFlags holds what serve was told, as it was told.
type serveFlags struct {
	accessToken     string
	accessTokenFile string
	durability      string
	transport       string
	publicURL       string
	trustedProxies  []string
	limits          limitFlags
	trashRetention  lifetime
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
		"the `address` for health checks and, with a data folder, for the commands db, token and keys; not meant for the public; "+
			"empty for none")
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
		"an `address` or network (10.0.0.0/8) whose X-Forwarded-Proto, -Host and -For are believed; may be repeated")
	f.IntVar(&flags.options.MaxOpenDatabases, "max-open-databases", datadir.DefaultMaxOpen,
		"the `number` of databases of a data folder that may be open at once; others are opened as soon as one of these is idle")
	f.DurationVar(&flags.options.DatabaseIdleTimeout, "database-idle-timeout", datadir.DefaultIdleTimeout,
		"how long a database of a data folder stays open that nobody uses")
	flags.trashRetention = lifetime(datadir.DefaultTrashRetention)
	f.Var(&flags.trashRetention, "trash-retention", "how long the file of a deleted database is kept, such as 30d")
	flags.limits.addTo(f, "a database without quotas of its own", true)
	addIdentityFlags(f, &flags.options.Identity)
	command.MarkFlagsMutuallyExclusive("access-token", "access-token-file", "new-access-token")
	return command
}

// resolve turns flags and environment into options.
func (flags serveFlags) resolve(command *cobra.Command, root *rootOptions) (options service.Options, err error) {
	options = flags.options
	options.SQLitePath, options.DataDir = root.sqlitePath, root.folder(command)
	if err := flags.checkMode(command, options.DataDir); err != nil {
		return service.Options{}, err
	}
	options.TrashRetention = time.Duration(flags.trashRetention)
	options.Limits = access.Limits(flags.limits.limits())
	if err := options.Limits.Validate(); err != nil {
		return service.Options{}, err
	}
	if options.AdminToken, err = secretFromEnv("admin token", envAdminToken, envAdminTokenFile); err != nil {
		return service.Options{}, err
	}
	options.Version = version()
	options.Out = command.OutOrStdout()
	options.Logger = slog.New(slog.NewTextHandler(command.ErrOrStderr(), nil))
	options.Durability = sqlitebackend.Durability(flags.durability)
	options.Transport = service.Transport(flags.transport)
	options.AdminAddrChosen = command.Flags().Changed("admin-addr")
	if options.AccessToken, err = flags.resolveAccessToken(command, options.DataDir); err != nil {
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

// onlyForFolders and onlyForFiles are the flags that make no sense in the other mode.
var (
	onlyForFolders = []string{"max-open-databases", "database-idle-timeout", "trash-retention"}
	onlyForFiles   = []string{"read-only", "access-token", "access-token-file", "new-access-token"}
)

// checkMode fails for flags that make no sense, by themselves or together.
func (flags serveFlags) checkMode(command *cobra.Command, dataDir string) error {
	changed := command.Flags().Changed
	if dataDir != "" && changed("sqlite-path") {
		return errors.New("--data-dir and --sqlite-path are both given: leave one of them out; " +
			"\"kvconnect db adopt FILE\" takes a file over into a data folder")
	}
	for _, name := range onlyForFolders {
		if dataDir == "" && changed(name) {
			return fmt.Errorf("--%s is for a data folder: name one with --data-dir", name)
		}
	}
	for _, name := range onlyForFiles {
		// Above all, what opens one database must not become what opens all of them.
		if dataDir != "" && changed(name) {
			return fmt.Errorf("--%s is for one file: make access tokens with \"kvconnect token create\"", name)
		}
	}
	identity := flags.options.Identity
	switch {
	case flags.options.MaxOpenDatabases < 1:
		return errors.New("--max-open-databases: give a number from 1 on")
	case flags.options.DatabaseIdleTimeout <= 0:
		return errors.New("--database-idle-timeout: give a duration above 0, such as 5m")
	case identity.JWKS != "" && (identity.Issuer == "" || identity.Audience == ""):
		return errors.New("--jwks takes --jwt-issuer and --jwt-audience too: a token for another service must not open a database")
	case identity.JWKS == "" && (identity.Issuer != "" || identity.Audience != ""):
		return errors.New("--jwt-issuer and --jwt-audience are for --jwks, which names the keys of the issuer")
	}
	return nil
}

// addIdentityFlags gives the flags of the user's own provider.
func addIdentityFlags(f *pflag.FlagSet, identity *service.IdentityOptions) {
	f.StringVar(&identity.JWKS, "jwks", "",
		"the `file or URL` with the keys (a JWK set) of your own provider, whose tokens are accepted as access tokens")
	f.StringVar(&identity.Issuer, "jwt-issuer", "", "the `issuer` that tokens of your provider name")
	f.StringVar(&identity.Audience, "jwt-audience", "", "the `audience` that tokens of your provider name")
	f.StringVar(&identity.DatabaseClaim, "jwt-claim-db", auth.DefaultDatabaseClaim,
		"the `claim` that names the database, by name or id")
	f.StringVar(&identity.ScopeClaim, "jwt-claim-scope", auth.DefaultScopeClaim,
		"the `claim` that holds the scope: read or write")
}

// resolveAccessToken gives the token that the user chose, or "" for none. A flag
// counts for more than the environment.
func (flags serveFlags) resolveAccessToken(command *cobra.Command, dataDir string) (string, error) {
	switch {
	case dataDir != "":
		return secretFromEnv("master token", envMasterToken, envMasterTokenFile)
	case command.Flags().Changed("access-token"):
		if flags.accessToken == "" {
			return "", errors.New("--access-token is empty: leave it out to have a token made")
		}
		return flags.accessToken, nil
	case flags.options.NewAccessToken:
		return "", nil
	case command.Flags().Changed("access-token-file"):
		return readSecret("access token", flags.accessTokenFile)
	default:
		return secretFromEnv("access token", envAccessToken, envAccessTokenFile)
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
