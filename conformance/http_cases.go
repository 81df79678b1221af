package conformance

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// The forms that @deno/kv insists on.
var (
	formOfDatabaseID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	formOfExpiresAt  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
)

// httpCases are about what goes over the wire, which a backend knows nothing of.
func httpCases(client *http.Client, url, token string) []testCase {
	exchange := func(p *probe, token, body string) reply {
		header := http.Header{"Authorization": {"Bearer " + token}}
		if body != "" {
			header.Set("Content-Type", "application/json")
		}
		reply, err := post(p.ctx, client, url, header, []byte(body))
		p.ok(err)
		return reply
	}
	negotiates := func(body string, version int) func(p *probe) {
		return func(p *probe) {
			reply := exchange(p, token, body)
			if reply.status != http.StatusOK {
				failf("%w", reply.err())
			}
			p.equal("content type", reply.header.Get("Content-Type"), "application/json")
			checkMetadata(p, reply.body, version)
		}
	}
	refuses := func(body string) func(p *probe) {
		return func(p *probe) {
			reply := exchange(p, token, body)
			if reply.status < 400 || reply.status > 499 || len(reply.body) == 0 {
				failf("%w, want a 4xx that says why", reply.err())
			}
		}
	}
	call := func(p *probe, method string, message proto.Message, change func(http.Header)) reply {
		db, err := openHTTP(p.ctx, client, url, token)
		p.ok(err)
		body, err := proto.Marshal(message)
		p.ok(err)
		header := db.header()
		change(header)
		reply, err := post(p.ctx, client, db.url(method), header, body)
		p.ok(err)
		return reply
	}
	return []testCase{
		{"metadata/no body means version 1", negotiates("", 1)},
		{"metadata/version 1", negotiates(`{"supportedVersions":[1]}`, 1)},
		{"metadata/version 2", negotiates(`{"supportedVersions":[2]}`, 2)},
		{"metadata/versions 1 and 2", negotiates(`{"supportedVersions":[1,2]}`, 2)},
		{"metadata/versions 1, 2 and 3", negotiates(`{"supportedVersions":[1,2,3]}`, 3)},
		{"metadata/versions to come", negotiates(`{"supportedVersions":[2,3,4]}`, 3)},
		{"metadata/no version in common", refuses(`{"supportedVersions":[4]}`)},
		{"metadata/wrong access token", func(p *probe) {
			p.equal("status", exchange(p, token+"x", `{"supportedVersions":[3]}`).status, http.StatusUnauthorized)
		}},
		{"metadata/the access token is not handed out", func(p *probe) {
			reply := exchange(p, token, `{"supportedVersions":[3]}`)
			if strings.Contains(string(reply.body), token) {
				failf("the reply contains the access token")
			}
		}},
		{"data path/content types", func(p *probe) {
			same := func(http.Header) {}
			read := call(p, "snapshot_read", &datapath.SnapshotRead{}, same)
			p.equal("of a snapshot read", read.header.Get("Content-Type"), "application/x-protobuf")
			write := call(p, "atomic_write", &datapath.AtomicWrite{}, same)
			p.equal("of an atomic write", write.header.Get("Content-Type"), "application/x-protobuf")
		}},
		{"data path/no content type is needed", func(p *probe) {
			reply := call(p, "snapshot_read", &datapath.SnapshotRead{}, func(h http.Header) { h.Del("Content-Type") })
			p.equal("status", reply.status, http.StatusOK)
		}},
		{"data path/wrong token", func(p *probe) {
			reply := call(p, "snapshot_read", &datapath.SnapshotRead{}, func(h http.Header) { h.Set("Authorization", "Bearer wrong-token") })
			p.equal("status", reply.status, http.StatusUnauthorized)
		}},
		{"data path/absent check as ten zero bytes", func(p *probe) {
			reply := call(p, "atomic_write", &datapath.AtomicWrite{
				Checks: []*datapath.Check{{Key: p.key("absent"), Versionstamp: make([]byte, 10)}},
			}, func(http.Header) {})
			var output datapath.AtomicWriteOutput
			p.ok(proto.Unmarshal(reply.body, &output))
			p.equal("status", output.GetStatus(), datapath.AtomicWriteStatus_AW_SUCCESS)
		}},
		{"data path/unknown method", func(p *probe) {
			p.equal("status", call(p, "no_such_method", &datapath.SnapshotRead{}, func(http.Header) {}).status, http.StatusNotFound)
		}},
	}
}

// checkMetadata checks the reply the way @deno/kv does, which is the strictest
// client.
func checkMetadata(p *probe, body []byte, version int) {
	var fields map[string]json.RawMessage
	p.ok(json.Unmarshal(body, &fields))
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	p.equal("fields", names, []string{"databaseId", "endpoints", "expiresAt", "token", "version"})

	var m metadata
	p.ok(json.Unmarshal(body, &m))
	p.equal("version", m.Version, version)
	p.equal("number of endpoints", len(m.Endpoints), 1)
	endpoint := m.Endpoints[0]
	p.equal("consistency", endpoint.Consistency, "strong")
	if !strings.HasPrefix(endpoint.URL, "http") || strings.HasSuffix(endpoint.URL, "/") {
		failf("the endpoint %s is not an absolute URL without a slash at its end", endpoint.URL)
	}
	if !formOfDatabaseID.MatchString(m.DatabaseID) || !formOfExpiresAt.MatchString(m.ExpiresAt) {
		failf("databaseId %s or expiresAt %s does not have its form", m.DatabaseID, m.ExpiresAt)
	}
	expiresAt, err := time.Parse(time.RFC3339, m.ExpiresAt)
	p.ok(err)
	if time.Until(expiresAt) < time.Hour {
		failf("the metadata expires at %s, which is so soon that clients hurry", m.ExpiresAt)
	}
}
