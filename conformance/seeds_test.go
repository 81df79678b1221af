package conformance

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

var updateSeeds = flag.Bool("update-seeds", false, "record the seeds of the fuzz targets anew")

// seedFolders are where go test finds the seeds of the target for a path, made of the
// body of a request.
var seedFolders = map[string]string{
	"/":                 "../kvconnect/testdata/fuzz/FuzzMetadata",
	"/v2/snapshot_read": "../protocol/testdata/fuzz/FuzzDecodeSnapshotRead",
	"/v2/atomic_write":  "../protocol/testdata/fuzz/FuzzDecodeAtomicWrite",
	"/v2/watch":         "../protocol/testdata/fuzz/FuzzDecodeWatch",
}

// The fuzz targets begin with what real clients send: Deno 2.9.6 and, in Node,
// @deno/kv 0.14.0. The seeds are recorded by
//
//	go test ./conformance -run TestSeedsAreWhatClientsSend -update-seeds
//
// and a client that sends something else fails the test.
func TestSeedsAreWhatClientsSend(t *testing.T) {
	t.Parallel()
	needClients(t)
	for runtime, command := range map[string][]string{
		"deno": {denoPath(t), "run", "-A", "calls.ts"},
		"node": {"node", "--import", "tsx", "calls.ts"},
	} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			server := startProcess(t, filepath.Join(t.TempDir(), "kv.sqlite"))
			requestRecorder := startRequestRecorder(t, server.url)
			runClient(t, target{url: requestRecorder.url}, command[0], command[1:]...)
			want := requestRecorder.seeds(t, runtime)
			if *updateSeeds {
				writeSeeds(t, runtime, want)
			}
			got := readSeeds(t, runtime)
			if runtime == "node" {
				// Node may be of any version, and the V8 in it decides on the bytes of
				// values.
				clearContents(want)
				clearContents(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the seeds are not what the client sends (-sent +seeds):\n%s", diff)
			}
		})
	}
}

// seedFiles gives the seeds of a runtime that there are.
func seedFiles(t *testing.T, runtime string) []string {
	t.Helper()
	var paths []string
	for _, folder := range seedFolders {
		found, err := filepath.Glob(filepath.Join(folder, runtime+"_*"))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

func writeSeeds(t *testing.T, runtime string, seeds map[string][]byte) {
	t.Helper()
	for _, path := range seedFiles(t, runtime) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for path, content := range seeds {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readSeeds(t *testing.T, runtime string) map[string][]byte {
	t.Helper()
	seeds := make(map[string][]byte)
	for _, path := range seedFiles(t, runtime) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seeds[path] = content
	}
	return seeds
}

func clearContents(seeds map[string][]byte) {
	for path := range seeds {
		seeds[path] = nil
	}
}

// requestRecorder is a proxy that keeps what clients send.
type requestRecorder struct {
	url    string
	mu     sync.Mutex
	bodies map[string][][]byte // by path; guarded by mu
}

func startRequestRecorder(t *testing.T, serverURL string) *requestRecorder {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	r := &requestRecorder{url: "http://" + listener.Addr().String(), bodies: make(map[string][][]byte)}
	transport := &http.Transport{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(server)
			request.Out.Host = request.In.Host // by which the server names the data path
		},
		Transport:     transport,
		FlushInterval: -1, // a watch has no end
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	front := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return // the client is gone
		}
		r.add(request.URL.Path, body)
		request.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, request)
	})}
	served := make(chan error, 1)
	go func() { served <- front.Serve(listener) }()
	t.Cleanup(func() {
		_ = front.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
		transport.CloseIdleConnections()
	})
	return r
}

func (r *requestRecorder) add(path string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.bodies[path], func(other []byte) bool { return bytes.Equal(other, body) }) {
		r.bodies[path] = append(r.bodies[path], body)
	}
}

// seeds gives the files that go test takes for seeds, by their path.
func (r *requestRecorder) seeds(t *testing.T, runtime string) map[string][]byte {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	seeds := make(map[string][]byte)
	for path, bodies := range r.bodies {
		folder, ok := seedFolders[path]
		if !ok {
			t.Errorf("a request of %s", path)
			continue
		}
		for i, body := range bodies {
			content := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", timeless(t, path, body))
			if path == "/" {
				content += "string(\"localhost:4512\")\n" + strings.Repeat("string(\"\")\n", 2) // Host, and no proxy
			}
			seeds[filepath.Join(folder, fmt.Sprintf("%s_%02d", runtime, i+1))] = []byte(content)
		}
	}
	return seeds
}

// timeless gives the body with another time of expiry, the one thing in it that
// depends on the clock.
func timeless(t *testing.T, path string, body []byte) []byte {
	t.Helper()
	if path != "/v2/atomic_write" {
		return body
	}
	var write datapath.AtomicWrite
	if err := proto.Unmarshal(body, &write); err != nil {
		t.Fatal(err)
	}
	for _, mutation := range write.GetMutations() {
		if mutation.GetExpireAtMs() > 0 {
			mutation.ExpireAtMs = farFuture
		}
	}
	body, err := proto.Marshal(&write)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
