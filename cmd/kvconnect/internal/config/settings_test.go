package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/config"
	"github.com/spf13/pflag"
)

// flags are of each kind that the program has.
type flags struct {
	*pflag.FlagSet
	addr     string
	secret   string
	proxies  []string
	number   int
	share    float64
	idle     time.Duration
	readOnly bool
	fresh    bool
}

func newFlags(t *testing.T, args ...string) *flags {
	t.Helper()
	f := &flags{FlagSet: pflag.NewFlagSet("", pflag.ContinueOnError)}
	f.SortFlags = false
	f.StringVar(&f.addr, "addr", "0.0.0.0:1", "the `address`")
	f.StringVar(&f.secret, "secret", "", "a `secret`")
	config.MarkSecret(f.FlagSet, "secret")
	config.NameVariable(f.FlagSet, "secret", "OLD_SECRET")
	f.StringSliceVar(&f.proxies, "proxy", []string{"a", "b"}, "some `addresses`")
	f.IntVar(&f.number, "max-number", 3, "a `number`")
	f.Float64Var(&f.share, "share", 0.5, "a `share`")
	f.DurationVar(&f.idle, "idle", 2*time.Hour, "how long")
	f.BoolVar(&f.readOnly, "read-only", false, "only read")
	f.BoolVar(&f.fresh, "fresh", false, "begin anew")
	config.MarkCommandLineOnly(f.FlagSet, "fresh", "it would be done at each start")
	f.String("secret-door", "", "hidden")
	if err := errors.Join(f.MarkHidden("secret-door"), f.Parse(args)); err != nil {
		t.Fatal(err)
	}
	return f
}

// resolve resolves the flags by a file with this text, and gives an error with name of the file
// alone.
func (f *flags) resolve(t *testing.T, text string, environ map[string]string) (*config.Settings, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kv.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := func(err error) string {
		if err == nil {
			return ""
		}
		return strings.ReplaceAll(err.Error(), filepath.Dir(path)+string(filepath.Separator), "")
	}
	entries, err := config.ReadFile(path)
	if err != nil {
		return nil, plain(err)
	}
	settings, err := config.Resolve(f.FlagSet, entries, func(name string) string { return environ[name] })
	return settings, plain(errors.Join(config.CheckKeys(f.FlagSet, entries), err))
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	const file = "addr = \"file:1\"\nproxy = [\"file\", \"with,comma\"]\nmax-number = 7\nshare = 1\nidle = \"90s\"\nread-only = true\n"
	environ := map[string]string{"KVCONNECT_ADDR": "variable:1", "KVCONNECT_PROXY": "x,y", "KVCONNECT_MAX_NUMBER": "8"}
	f := newFlags(t, "--addr", "flag:1", "--proxy", "z")
	settings, said := f.resolve(t, file, environ)
	if said != "" {
		t.Fatal(said)
	}
	if f.addr != "flag:1" || f.number != 8 || f.share != 1 || f.idle != 90*time.Second || !f.readOnly ||
		!cmp.Equal(f.proxies, []string{"z"}) {
		t.Errorf("%+v", f)
	}
	for name, want := range map[string]config.Kind{
		"addr": config.Flag, "proxy": config.Flag, "max-number": config.Variable, "idle": config.File, "secret": config.Default,
	} {
		if got := settings.From(name); got.Kind != want {
			t.Errorf("%s is from %v", name, got)
		}
	}
	if f.Changed("max-number") {
		t.Error("a variable marks a flag as given on the command line")
	}
	f = newFlags(t)
	if _, said := f.resolve(t, file, nil); said != "" || !cmp.Equal(f.proxies, []string{"file", "with,comma"}) {
		t.Errorf("%v, %s", f.proxies, said)
	}
	f = newFlags(t)
	if _, said := f.resolve(t, file, environ); said != "" || !cmp.Equal(f.proxies, []string{"x", "y"}) {
		t.Errorf("%v, %s", f.proxies, said)
	}
}

// What repeats a default chooses nothing, unless it is said on the command line.
func TestChosenBy(t *testing.T) {
	t.Parallel()
	f := newFlags(t, "--max-number", "3")
	settings, said := f.resolve(t, "addr = \"0.0.0.0:1\"\nidle = \"120m\"\nproxy = [\"a\", \"b\"]\nshare = 0.25\n", nil)
	if said != "" {
		t.Fatal(said)
	}
	for name, want := range map[string]config.Kind{
		"addr": config.Default, "idle": config.Default, "proxy": config.Default, "share": config.File, "max-number": config.Flag, "none": config.Default,
	} {
		if got := settings.ChosenBy(name); got.Kind != want {
			t.Errorf("%s is chosen by %v", name, got)
		}
	}
	if got := settings.From("addr").String(); !strings.HasSuffix(got, "kv.toml:1") {
		t.Errorf("addr is from %s", got)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file    string
		environ map[string]string
		want    string
	}{
		"nothing":            {"", nil, ""},
		"near":               {"# a\n\nadrr = 1", nil, `kv.toml:3: unknown key "adrr": did you mean "addr"?`},
		"in another writing": {"Read_Only = true", nil, `kv.toml:1: unknown key "Read_Only": did you mean "read-only"?`},
		"far":                {"colour = 1", nil, `kv.toml:1: unknown key "colour": "kvconnect config example" lists all that there are`},
		"hidden":             {"secret-door = \"x\"", nil, `kv.toml:1: unknown key "secret-door": "kvconnect config example" lists all that there are`},
		"table":              {"[server]\nx = 1", nil, `kv.toml:1: unknown table "server": all settings are keys at the top of the file, such as addr = "127.0.0.1:4512"`},
		"table for a key":    {"[addr]\nx = 1", nil, "kv.toml:1: addr: give a string, in quotation marks"},
		"bool":               {"read-only = 1", nil, "kv.toml:1: read-only: give true or false"},
		"integer":            {"max-number = \"1\"", nil, "kv.toml:1: max-number: give a whole number"},
		"number":             {"share = true", nil, "kv.toml:1: share: give a number"},
		"duration":           {"idle = 5", nil, `kv.toml:1: idle: give a duration such as "5m" or "1h30m"`},
		"list":               {"\nproxy = \"a\"", nil, `kv.toml:2: proxy: give a list of strings such as ["a", "b"]`},
		"elements":           {"proxy = [\"a\", 1]", nil, `kv.toml:1: proxy: give a list of strings such as ["a", "b"]`},
		"command line":       {"fresh = true", map[string]string{"KVCONNECT_FRESH": "true"}, "kv.toml:1: fresh is for the command line: it would be done at each start\nKVCONNECT_FRESH: --fresh is for the command line: it would be done at each start"},
		"variable":           {"", map[string]string{"KVCONNECT_MAX_NUMBER": "x"}, `KVCONNECT_MAX_NUMBER: "x": give a whole number`},
		"contradiction":      {"", map[string]string{"KVCONNECT_SECRET": "x", "OLD_SECRET": "y"}, "KVCONNECT_SECRET and OLD_SECRET are both set, and differ: unset one of them"},
		"both and the same":  {"", map[string]string{"KVCONNECT_SECRET": "x", "OLD_SECRET": "x"}, ""},
		"byte order mark":    {"\xef\xbb\xbfaddr = \"a\"\nadrr = 1", nil, `kv.toml:2: unknown key "adrr": did you mean "addr"?`},
		"UTF-16":             {"\xff\xfea\x00", nil, "kv.toml:1:1: this is no TOML, but UTF-16: save the file as UTF-8"},
		"lines of Windows":   {"addr = \"a\"\r\nadrr = 1\r\n", nil, `kv.toml:2: unknown key "adrr": did you mean "addr"?`},
		"twice":              {"addr = \"a\"\n  addr = \"b\"", nil, "kv.toml:2:3: this is no TOML: key addr is already defined"},
		"no TOML":            {"addr = a:1", nil, "kv.toml:1:8: this is no TOML: unexpected character U+0061 'a' at start of value"},
		"below the better":   {"max-number = 1.5", map[string]string{"KVCONNECT_MAX_NUMBER": "2"}, "kv.toml:1: max-number: give a whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, said := newFlags(t).resolve(t, c.file, c.environ); said != c.want {
				t.Errorf("it says\n%s\nwant\n%s", said, c.want)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	f := newFlags(t, "--share", "1")
	settings, said := f.resolve(t, "\naddr = \"file:1\"\n", map[string]string{"KVCONNECT_MAX_NUMBER": "8"})
	if said != "" {
		t.Fatal(said)
	}
	cause := errors.New("--addr and --max-number do not go with --share, --addr least; see --idle")
	err := settings.Explain(errors.Join(cause, errors.New("--read-only: no")))
	got := strings.ReplaceAll(err.Error(), settings.From("addr").Name, "kv.toml:2")
	want := cause.Error() + " (addr is set in kv.toml:2, max-number is set by KVCONNECT_MAX_NUMBER)\n--read-only: no"
	if got != want || !errors.Is(err, cause) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if err := settings.Explain(nil); err != nil {
		t.Error(err)
	}
}

// Files and folders are named in errors by their paths.
func TestExplainPaths(t *testing.T) {
	t.Parallel()
	f := newFlags(t)
	f.String("data", "", "a `folder`")
	f.String("more", "more", "a `file`")
	settings, said := f.resolve(t, "data = \"kv\"\naddr = \"nothing\"\n", nil)
	if said != "" {
		t.Fatal(said)
	}
	origin := " (data is set in " + settings.From("data").Name + ")"
	for text, want := range map[string]string{
		"open kv: no such file":            origin,
		"open \"/srv/kv/control\": denied": origin,
		"kvconnect: no more of nothing":    "",
	} {
		if got := settings.Explain(errors.New(text)).Error(); got != text+want {
			t.Errorf("it says %q, want %q", got, text+want)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	settings, said := newFlags(t).resolve(t, "secret = \"abcdef\"\naddr = \"https://ada:abcdef@host/keys\"", nil)
	if said != "" {
		t.Fatal(said)
	}
	for _, setting := range settings.Describe() {
		if setting.Name == "secret-door" || strings.Contains(setting.Value, "abcdef") {
			t.Errorf("%+v is shown", setting)
		}
		if setting.Name == "addr" && setting.Value != `"https://ada:xxxxx@host/keys"` {
			t.Errorf("%+v", setting)
		}
	}
}

func TestMisspeltVariables(t *testing.T) {
	t.Parallel()
	environ := []string{
		"KVCONNECT_ADR=x", "KVCONNECT_ADDR=x", "KVCONNECT_FILES=x", "KVCONNECT_FILE=x", "KVCONNECT_SERVICE_HOST=10.0.0.1",
		"KVCONNECT_PORT=tcp://10.0.0.1:4512", "KVCONNECT_MAX_NUMBR=", "OLD_SECRETS=x",
	}
	got := config.MisspeltVariables(environ, newFlags(t).FlagSet, "KVCONNECT_FILE")
	want := []config.Misspelt{{Variable: "KVCONNECT_ADR", Meant: "KVCONNECT_ADDR"}, {Variable: "KVCONNECT_FILES", Meant: "KVCONNECT_FILE"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriteExample(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := config.WriteExample(&b, newFlags(t).FlagSet, "About.\n\nMore."); err != nil {
		t.Fatal(err)
	}
	want := `# About.
#
# More.

# The address.
# Environment: KVCONNECT_ADDR
#addr = "0.0.0.0:1"

# A secret.
# Environment: KVCONNECT_SECRET or OLD_SECRET
#secret = ""

# Some addresses.
# Environment: KVCONNECT_PROXY
#proxy = ["a", "b"]

# A number.
# Environment: KVCONNECT_MAX_NUMBER
#max-number = 3

# A share.
# Environment: KVCONNECT_SHARE
#share = 0.5

# How long.
# Environment: KVCONNECT_IDLE
#idle = "2h"

# Only read.
# Environment: KVCONNECT_READ_ONLY
#read-only = false
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzParse: whatever a file says, it is used, or each error names a line of it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "addr = \"x\"", "[a]\nb = 1", "[[a]]\n[[a]]", "a.b = 1\na.c = 2", "proxy = [1, \"a\"]", "idle = 1979-05-27", "\"\" = 1", "x = {a = 1}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := config.Parse("kv.toml", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "kv.toml:") {
				t.Errorf("the error names no place: %v", err)
			}
			return
		}
		flags := newFlags(t)
		_, err = config.Resolve(flags.FlagSet, entries, func(string) string { return "" })
		for line := range strings.Lines(errorText(errors.Join(config.CheckKeys(flags.FlagSet, entries), err))) {
			if !strings.HasPrefix(line, "kv.toml:") {
				t.Errorf("the error names no place: %s", line)
			}
		}
	})
}
