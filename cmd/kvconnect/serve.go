package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
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

Each flag may also be set by a variable, KVCONNECT_ADDR for --addr, or in the file that
--config names. A flag counts for more than a variable, and that for more than the file.
The variables of denokv do too: DENO_KV_SQLITE_PATH, DENO_KV_ACCESS_TOKEN.
"kvconnect config check" shows what is in force, and "kvconnect config example" makes a
file to begin with.

The first SIGINT or SIGTERM ends the server when the requests under way are answered,
the second one at once.`

const serveExample = `  kvconnect serve
  DENO_KV_ACCESS_TOKEN_FILE=/run/secrets/kv kvconnect serve --addr 127.0.0.1:4512
  kvconnect serve --config /etc/kvconnect.toml
  kvconnect --sqlite-path app.sqlite serve --read-only
  kvconnect serve --data-dir data
  kvconnect serve --addr :443 --tls-cert fullchain.pem --tls-key privkey.pem
  kvconnect serve --addr :443 --acme-domain kv.example.com`

// serveFlags holds what serve was told, as it was told.
type serveFlags struct {
	accessToken    accessTokenFlags
	durability     string
	transport      string
	publicURL      string
	trustedProxies []string
	limits         limitFlags
	tls            tlsFlags
	trashRetention lifetime
	log            logFlags
	requests       requestFlags
	denokv         denokvFlags
	metrics        metricsFlags
	options        service.Options
}

// annotationServes is of the commands that take all settings of a server.
const annotationServes = "kvconnect_serves"

// newServeCommand gives a command that takes the flags of a server, and calls run with what
// they come to.
func newServeCommand(root *rootOptions, run func(context.Context, service.Options) error) *cobra.Command {
	var flags serveFlags
	command := &cobra.Command{
		Use:     "serve",
		Short:   "Serve a database",
		Long:    serveLong,
		Example: serveExample,
		Args:    cobra.NoArgs,

		Annotations: map[string]string{annotationServes: "true"},
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := flags.resolve(command, root)
			if err != nil {
				return err
			}
			var stop func()
			options.TLS.Reload, stop = flags.tls.hangups()
			defer stop()
			return root.settings.Explain(run(command.Context(), options))
		},
	}
	f := command.Flags()
	f.SortFlags = false // they stand in the order in which they are understood
	f.StringVar(&flags.options.Addr, "addr", defaultAddr, "the `address` to listen on")
	f.StringVar(&flags.options.AdminAddr, "admin-addr", service.DefaultAdminAddr,
		"the `address` for health checks, metrics and, with a data folder, for the commands db, token and keys; not meant for the public; "+
			"empty for none")
	flags.accessToken.addTo(f)
	f.BoolVar(&flags.accessToken.makeNew, flagNewAccessToken, false,
		"make and print a new access token in place of the one made before")
	config.MarkCommandLineOnly(f, flagNewAccessToken, "every start would make a new token")
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
	addConnectionFlags(f, &flags.options.Connections)
	flags.tls.addTo(f)
	addIdentityFlags(f, &flags.options.Identity)
	flags.requests.addTo(f)
	flags.log.addTo(f)
	flags.denokv.addTo(f)
	flags.metrics.addTo(f)
	command.MarkFlagsMutuallyExclusive(flagAccessToken, flagAccessTokenFile, flagNewAccessToken)
	return command
}

// resolve turns what was told into options. It fails for everything that is wrong, at once.
func (flags serveFlags) resolve(command *cobra.Command, root *rootOptions) (service.Options, error) {
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, root.settings.Explain(err))
		}
	}
	var err error
	check(root.misset)
	options := flags.options
	options.SQLitePath, options.DataDir = root.sqlitePath, root.folder()
	check(flags.checkMode(root, options.DataDir))
	check(flags.checkIdentity())
	check(flags.requests.check())
	check(flags.denokv.check())
	options.SlowRequest, options.MaxRequests = flags.requests.slow, flags.requests.max
	options.TrashRetention = time.Duration(flags.trashRetention)
	options.Metrics, err = flags.metrics.resolve()
	check(err)
	options.Profiles = flags.metrics.profiles
	options.Limits = access.Limits(flags.limits.limits())
	check(flags.limits.check())
	options.AdminToken, err = accessTokenFromEnv("admin token", envAdminToken, envAdminTokenFile)
	check(err)
	options.Version, options.Revision = version(), readBuild().Revision
	options.TLS, err = flags.tls.resolve()
	check(err)
	options.NotifySocket = os.Getenv("NOTIFY_SOCKET")
	options.Out = command.OutOrStdout()
	options.Durability = sqlitebackend.Durability(flags.durability)
	options.Transport = service.Transport(flags.transport)
	options.AdminAddrChosen = root.settings.From("admin-addr").Kind != config.Default
	options.NewAccessToken = flags.accessToken.makeNew
	options.AccessToken, _, err = flags.accessToken.resolve(root.settings, options.DataDir)
	check(err)
	options.PublicURL, err = parsePublicURL(flags.publicURL)
	check(err)
	options.TrustedProxies, err = parsePrefixes(flags.trustedProxies)
	check(err)
	handler, err := flags.log.handler(command.ErrOrStderr())
	check(err)
	check(options.Validate())
	if len(errs) > 0 {
		for _, warning := range root.warnings { // one of them may tell why
			errs = append(errs, errors.New("warning: "+warning))
		}
		return service.Options{}, errors.Join(errs...)
	}
	options.Logger = slog.New(handler)
	root.warnings = append(root.warnings, masterTokenWarnings(options.DataDir)...)
	root.warnings = append(root.warnings, flags.denokv.warnings(os.Getenv)...)
	return options, nil
}

// onlyForFolders and onlyForFiles are the flags that make no sense in the other mode.
var (
	onlyForFolders = []string{"max-open-databases", "database-idle-timeout", "trash-retention"}
	onlyForFiles   = []string{"read-only", flagAccessToken, flagAccessTokenFile, flagNewAccessToken}
)

// checkMode fails for flags that make no sense, by themselves or together.
func (flags serveFlags) checkMode(root *rootOptions, dataDir string) error {
	settings := root.settings
	errs := []error{root.checkOnePlace()}
	for _, name := range onlyForFolders {
		if dataDir == "" && !root.folderUnclear && settings.ChosenBy(name).Kind != config.Default {
			errs = append(errs, fmt.Errorf("--%s is for a data folder: name one with --data-dir", name))
		}
	}
	for _, name := range onlyForFiles {
		// Above all, what opens one database must not become what opens all of them. The
		// variables of Deno programs may be there for those.
		source := settings.ChosenBy(name)
		if dataDir != "" && source.Kind != config.Default && source.Name != envAccessToken && source.Name != envAccessTokenFile {
			errs = append(errs, fmt.Errorf("--%s is for one file: make access tokens with \"kvconnect token create\"", name))
		}
	}
	if flags.options.MaxOpenDatabases < 1 {
		errs = append(errs, errors.New("--max-open-databases: give a number from 1 on"))
	}
	if flags.options.DatabaseIdleTimeout <= 0 {
		errs = append(errs, errors.New("--database-idle-timeout: give a duration above 0, such as 5m"))
	}
	return errors.Join(errs...)
}

// checkIdentity fails for flags of the user's own provider that make no sense together.
func (flags serveFlags) checkIdentity() error {
	identity := flags.options.Identity
	switch {
	case identity.JWKS != "" && (identity.Issuer == "" || identity.Audience == ""):
		return errors.New("--jwks takes --jwt-issuer and --jwt-audience too: a token for another service must not open a database")
	case identity.JWKS == "" && (identity.Issuer != "" || identity.Audience != ""):
		return errors.New("--jwt-issuer and --jwt-audience are for --jwks, which names the keys of the issuer")
	default:
		return nil
	}
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

func parsePublicURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		if err == nil {
			text = u.Redacted()
		}
		return nil, fmt.Errorf("--public-url %q: give an address such as https://kv.example.com, without a user and a query", text)
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
