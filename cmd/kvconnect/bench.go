package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/bench"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"github.com/spf13/cobra"
)

const benchLong = `Put load on a KV Connect server and report how fast it answered and how much CPU it took.

Any server will do: this one, denokv, or another that programs open with
Deno.openKv(URL). The bench stores entries under keys that begin with "` + bench.KeyPrefix + `",
touches no others, and deletes them before and after. Run one at a time on a database.

The load is a closed loop: so many calls are in flight at any time, and the next one is
made when one is answered. A server that stalls is asked less while it stalls, so the
high percentiles are lower than what users who do not wait for each other would see.

Workloads:
%s
An operation that fails, or whose reply is not right, is counted as an error and as
nothing else. docs/bench.md explains every figure.`

const benchExample = `  DENO_KV_ACCESS_TOKEN=... kvconnect bench --url http://localhost:4512
  kvconnect bench --url http://localhost:4512 --access-token-file token --workload writes --concurrency 1
  kvconnect bench --compare ours=http://localhost:4512,denokv=http://localhost:4514 --json`

// benchFlags holds what bench was told, as it was told.
type benchFlags struct {
	url              string
	compare          []string
	accessTokens     []string
	accessTokenFiles []string
	serverPIDs       []int
	workloads        []string
	http             string
	json             bool
	options          bench.Options
}

const (
	defaultBenchURL    = "http://localhost:4512"
	defaultConcurrency = 64
	defaultRounds      = 3 // of a comparison
)

func newBenchCommand() *cobra.Command {
	var flags benchFlags
	command := &cobra.Command{
		Use:     "bench",
		Short:   "Put load on a server and report its speed",
		Long:    fmt.Sprintf(benchLong, workloadHelp()),
		Example: benchExample,
		Args:    cobra.NoArgs,

		Annotations: noConfig(),
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := flags.resolve(command)
			if err != nil {
				return err
			}
			report, err := bench.Run(command.Context(), options)
			if report == nil {
				return err
			}
			return errors.Join(err, flags.write(command.OutOrStdout(), report))
		},
	}
	f, o := command.Flags(), &flags.options
	f.StringVar(&flags.url, "url", defaultBenchURL, "the `URL` of the server, as given to Deno.openKv")
	f.StringSliceVar(&flags.compare, "compare", nil,
		"the `servers` to run in turn and compare with the first: URLs with commas between them, each with a name before it if you like (NAME=URL)")
	f.StringArrayVar(&flags.accessTokens, "access-token", nil,
		"the `token` that opens the database; once for all servers, or once for each in their order (env "+envAccessToken+")")
	f.StringArrayVar(&flags.accessTokenFiles, "access-token-file", nil,
		"a `file` with the access token; once, or once for each server (env "+envAccessTokenFile+")")
	f.StringSliceVar(&flags.workloads, "workload", bench.DefaultWorkloads(), "`names` of the workloads to run, or all")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "how long each workload is measured, in each round")
	f.DurationVar(&o.Warmup, "warmup", time.Second, "how long it runs before that")
	f.DurationVar(&o.Timeout, "timeout", 10*time.Second, "how long a server may be silent before a call counts as failed")
	f.IntVar(&o.Rounds, "rounds", 0, "how often all workloads are run (default 1, and 3 with --compare)")
	f.IntVar(&o.Concurrency, "concurrency", defaultConcurrency, "calls in flight at a time")
	f.IntVar(&o.Connections, "connections", 0, "connections that they are spread over (default 1, and --concurrency with --http 1.1)")
	f.StringVar(&flags.http, "http", "2", "the `version` of HTTP, 2 (as Deno speaks it) or 1.1")
	f.IntVar(&o.Keys, "keys", 10_000, "entries that are stored before")
	f.IntVar(&o.ValueBytes, "value-bytes", 100, "length of a value")
	f.Float64Var(&o.ReadShare, "read-share", 0.9, "the share of reads in the workload mixed")
	f.IntVar(&o.ContendedKeys, "contended-keys", 8, "the counters of the workload checks")
	f.IntVar(&o.Watchers, "watchers", defaultConcurrency, "the watches of the workloads watches and fanout")
	f.IntVar(&o.WatchedKeys, "watched-keys", 1, "the keys that the watches of the workload fanout are spread over")
	f.Uint64Var(&o.Seed, "seed", 1, "makes the same random choices again")
	f.IntSliceVar(&flags.serverPIDs, "server-pid", nil,
		"the `process` of each server, for its CPU and memory, if it cannot be found by the port; 0 for one that shall be looked for")
	f.BoolVar(&flags.json, "json", false, "print JSON in place of the table")
	command.MarkFlagsMutuallyExclusive("url", "compare")
	command.MarkFlagsMutuallyExclusive("access-token", "access-token-file")
	return command
}

func workloadHelp() string {
	var b strings.Builder
	for _, w := range bench.Workloads() {
		fmt.Fprintf(&b, "  %-10s %s\n", w.Name, w.About)
	}
	return b.String()
}

// resolve turns flags and environment into options.
func (flags benchFlags) resolve(command *cobra.Command) (options bench.Options, err error) {
	options = flags.options
	switch flags.http {
	case "2":
		options.HTTP = httpconn.HTTP2
	case "1.1":
		options.HTTP = httpconn.HTTP1
	default:
		return bench.Options{}, fmt.Errorf("--http %s: give 2 or 1.1", flags.http)
	}
	changed := command.Flags().Changed
	if !changed("connections") {
		options.Connections = 1
		if options.HTTP == httpconn.HTTP1 {
			options.Connections = options.Concurrency
		}
	}
	if !changed("rounds") {
		options.Rounds = 1
		if changed("compare") {
			options.Rounds = defaultRounds
		}
	}
	options.Workloads = flags.workloads
	if slices.Equal(flags.workloads, []string{"all"}) {
		options.Workloads = nil
		for _, w := range bench.Workloads() {
			options.Workloads = append(options.Workloads, w.Name)
		}
	}
	if options.Servers, err = flags.servers(changed("compare")); err != nil {
		return bench.Options{}, err
	}
	if isTerminal(command.ErrOrStderr()) {
		options.Progress = command.ErrOrStderr()
	}
	return options, nil
}

// servers gives the servers with what belongs to each.
func (flags benchFlags) servers(compare bool) ([]bench.Server, error) {
	texts := []string{flags.url}
	if compare {
		texts = flags.compare
		if len(texts) < 2 {
			return nil, errors.New("--compare: give two URLs or more, with a comma between them")
		}
	}
	tokens, err := flags.tokens(len(texts))
	if err != nil {
		return nil, err
	}
	if n := len(flags.serverPIDs); n != 0 && n != len(texts) {
		return nil, fmt.Errorf("--server-pid: give one for each of the %d servers, not %d", len(texts), n)
	}
	servers := make([]bench.Server, len(texts))
	for i, text := range texts {
		if servers[i], err = parseServer(text); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(servers[:i], func(other bench.Server) bool { return other.Name == servers[i].Name }) {
			return nil, fmt.Errorf("--compare: two servers are called %s; put a name before each URL, as in a=%s", servers[i].Name, servers[i].URL)
		}
		servers[i].AccessToken = tokens[i]
		if len(flags.serverPIDs) > 0 {
			if servers[i].PID = flags.serverPIDs[i]; servers[i].PID < 0 {
				return nil, fmt.Errorf("--server-pid %d: there is no such process", servers[i].PID)
			}
		}
	}
	return servers, nil
}

// tokens gives an access token for each server. A flag counts for more than the
// environment.
func (flags benchFlags) tokens(servers int) ([]string, error) {
	name, given, read := "--access-token", flags.accessTokens, func(token string) (string, error) { return token, nil }
	if len(flags.accessTokenFiles) > 0 {
		name, given, read = "--access-token-file", flags.accessTokenFiles, func(file string) (string, error) {
			return readSecret("access token", file)
		}
	}
	if len(given) == 0 {
		token, err := secretFromEnv("access token", envAccessToken, envAccessTokenFile)
		if err != nil {
			return nil, err
		}
		given = []string{token}
	}
	if len(given) != 1 && len(given) != servers {
		return nil, fmt.Errorf("%s: give it once, or once for each of the %d servers, not %d times", name, servers, len(given))
	}
	tokens := make([]string, servers)
	for i := range tokens {
		token, err := read(given[min(i, len(given)-1)])
		if err != nil {
			return nil, err
		}
		if token == "" {
			return nil, fmt.Errorf("no access token: give it with --access-token-file, --access-token or in %s", envAccessToken)
		}
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, errors.New("the access token holds characters that no token has: visible ASCII only")
		}
		tokens[i] = token
	}
	return tokens, nil
}

// parseServer reads a URL, or a name and a URL.
func parseServer(text string) (bench.Server, error) {
	name, address, named := strings.Cut(text, "=")
	if !named || strings.Contains(name, "://") {
		name, address = "", text
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		if err == nil && u.User != nil {
			text = u.Scheme + "://" + u.Host // what stands for a user may be the token
		}
		return bench.Server{}, fmt.Errorf("the server %q: give a URL such as %s, without a user or a token in it", text, defaultBenchURL)
	}
	if name == "" {
		name = u.Host
	}
	return bench.Server{Name: name, URL: u}, nil
}

func (flags benchFlags) write(out io.Writer, report *bench.Report) error {
	if !flags.json {
		return report.WriteTable(out)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(report)
}

// isTerminal tells whether somebody may be looking.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || runtime.GOOS == "windows" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
