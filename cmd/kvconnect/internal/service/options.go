package service

import (
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// Options says what to serve, where and to whom.
type Options struct {
	// SQLitePath is the file that holds the database. It means nothing if there is a
	// DataDir.
	SQLitePath string
	ReadOnly   bool
	Durability sqlitebackend.Durability

	// DataDir is the folder that holds many databases; "" for one database.
	DataDir string
	// MaxOpenDatabases, DatabaseIdleTimeout and TrashRetention are those of
	// datadir.Options.
	MaxOpenDatabases    int
	DatabaseIdleTimeout time.Duration
	TrashRetention      time.Duration
	// AdminToken opens the admin listener of a folder; "" for one made at each start.
	AdminToken string

	// Limits hold for each database that has none of its own.
	Limits access.Limits
	// SlowRequest and MaxRequests are those of kvconnect.Options.
	SlowRequest time.Duration
	MaxRequests int
	// Identity is the user's own provider of access tokens.
	Identity IdentityOptions

	// Transport carries the calls of clients.
	Transport Transport
	// Connections bounds what comes to Addr.
	Connections ConnectionLimits

	// Addr is the address for clients.
	Addr string
	// TLS is spoken there if it says so, and never to operators.
	TLS TLSOptions
	// AdminAddr is the address for operators, "" for none. AdminAddrChosen tells
	// that the user named it, so that it is an error if it is taken.
	AdminAddr       string
	AdminAddrChosen bool

	// AccessToken opens the database, or all of them; "" for the generated one, or none.
	AccessToken string
	// NewAccessToken makes a new generated access token.
	NewAccessToken bool

	// Metrics says what is measured, for the admin listener.
	Metrics MetricsOptions
	// Profiles has the admin listener serve profiles of the process: of a folder to who has
	// the admin token, of one file on an address of this machine alone.
	Profiles bool

	// PublicURL and TrustedProxies are those of kvconnect.Options.
	PublicURL      *url.URL
	TrustedProxies []netip.Prefix

	// NotifySocket is where a service manager wants to be told how far the server is, as
	// systemd says it in NOTIFY_SOCKET; "" for nowhere.
	NotifySocket string

	// Version and Revision are what the log says is running; Revision is that of the version
	// control, "" if it is not known.
	Version, Revision string
	// Out gets the greeting.
	Out    io.Writer
	Logger *slog.Logger
}

// mostDatabases is how many databases may be open at once.
func (o Options) mostDatabases() int {
	if o.DataDir == "" {
		return 1
	}
	return o.MaxOpenDatabases
}
