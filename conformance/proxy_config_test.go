package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serverInDocs and hostInDocs stand in the examples of configuration.
const (
	serverInDocs = "127.0.0.1:4512"
	hostInDocs   = "kv.example.com"
)

// front is the side of a reverse proxy that clients see.
type front struct {
	name        string
	addr        string
	certificate *certificate // nil without TLS
	http2       bool         // alone, if there is no TLS
}

func (f front) url() string {
	if f.certificate != nil {
		return "https://" + f.addr
	}
	return "http://" + f.addr
}

// reverseProxy is a program that takes requests for a server.
type reverseProxy struct {
	program, install string
	// file is the example that the proxy runs with, and language that of the block in the
	// guide which shows it.
	file, language string
	// http1 are the known differences of the cases over HTTP/1.1.
	http1 []KnownDifference
	// knownDifferences are those of Deno's suite: a file in clients, if any.
	knownDifferences string
	// config makes the configuration for a front of the example, in which the server
	// is named already. It may use the folder.
	config func(t *testing.T, example, folder string, f front) string
	// args are those with which the program reads the configuration from a file.
	args func(config, folder string) []string
	// serverArgs tell a server of the proxy before it.
	serverArgs func(f front) []string
}

// refusedBodyIsARequest is true of a body of more than 256 kB.
const refusedBodyIsARequest = "Caddy may take what is left of a refused body for the next request, and answer that with a 431"

// reverseProxies are those that the guide has examples for.
var reverseProxies = map[string]reverseProxy{
	"Caddy": {
		program: "caddy", install: "install Caddy 2", file: "../deploy/caddy/Caddyfile", language: "caddyfile", knownDifferences: "caddy_differences.json",
		http1: []KnownDifference{
			{Case: "limits/texts", Reason: refusedBodyIsARequest, Sometimes: true},
			{Case: "limits/atomic write body", Reason: refusedBodyIsARequest, Sometimes: true},
			{Case: "limits/atomic write body without Content-Length", Reason: refusedBodyIsARequest, Sometimes: true},
		},
		config: func(t *testing.T, example, folder string, f front) string {
			t.Helper()
			site := f.url() + " {\n\tbind 127.0.0.1"
			if f.certificate != nil {
				site += fmt.Sprintf("\n\ttls %s %s", f.certificate.certPath, f.certificate.keyPath)
			}
			global := fmt.Sprintf("{\n\tadmin off\n\tauto_https off\n\tstorage file_system %s\n\tservers {\n\t\tprotocols h1 h2 h2c\n\t}\n}\n", folder)
			return global + replaced(t, example, hostInDocs+" {", site)
		},
		args: func(config, _ string) []string {
			return []string{"run", "--adapter", "caddyfile", "--config", config}
		},
		serverArgs: trustingLocalProxies,
	},
	"nginx": {
		program: "nginx", install: "install nginx, of which many systems have the path /usr/sbin/nginx",
		file: "../deploy/nginx/kvconnect.conf", language: "nginx",
		config: func(t *testing.T, example, folder string, f front) string {
			t.Helper()
			listen := "listen " + f.addr
			switch {
			case f.certificate != nil:
				listen += " ssl http2;"
				example = replaced(t, example, "/etc/ssl/"+hostInDocs+".pem", f.certificate.certPath)
				example = replaced(t, example, "/etc/ssl/"+hostInDocs+".key", f.certificate.keyPath)
			case f.http2:
				listen += " http2;"
				example = withoutLines(example, "ssl_")
			default:
				listen += ";"
				example = withoutLines(example, "ssl_")
			}
			var temp strings.Builder
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				fmt.Fprintf(&temp, "%s_temp_path %s/%s;\n", kind, folder, kind)
			}
			return fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nevents {}\nhttp {\naccess_log off;\n%s%s}\n",
				folder, &temp, replaced(t, example, "listen 443 ssl http2;", listen))
		},
		args: func(config, folder string) []string {
			return []string{"-c", config, "-p", folder, "-e", "stderr"}
		},
		serverArgs: func(f front) []string {
			args := trustingLocalProxies(f)
			if f.certificate != nil {
				args = append(args, "--public-url", f.url()) // which comes to the same
			}
			return args
		},
	},
}

// trustingLocalProxies are the arguments that the examples name.
func trustingLocalProxies(front) []string { return []string{"--trusted-proxy", "127.0.0.1"} }

// example gives the example that the proxy runs with, which the guide must show as it is.
func (p reverseProxy) example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range readBlocks(t, "../docs/guide.md") {
		if block.language == p.language {
			if diff := cmp.Diff(string(text), block.text); diff != "" {
				t.Errorf("the guide shows another example than %s (-file +guide):\n%s", p.file, diff)
			}
			return string(text)
		}
	}
	t.Fatalf("the guide has no example of the language %s", p.language)
	return ""
}

// replaced puts something else in the place of what must be in the text once.
func replaced(t *testing.T, text, old, by string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not in the example once:\n%s", old, text)
	}
	return strings.Replace(text, old, by, 1)
}

// withoutLines leaves out the lines that begin with a prefix, spaces aside.
func withoutLines(text, prefix string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), prefix) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
