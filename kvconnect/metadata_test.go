package kvconnect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/kvconnect"
)

// metadataServer gives a server without data, which a metadata exchange does not
// need. It believes the proxy that httptest's requests come from.
func metadataServer() (*kvconnect.Server, uuid.UUID) {
	id := uuid.New()
	return newSetup(id, nil).newServer(func(o *setup) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	}), id
}

func exchange(t *testing.T, server *kvconnect.Server, body []byte, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	request.Host = header.Get("Host")
	request.Header = header
	request.Header.Set("Authorization", "Bearer "+accessToken)
	reply := httptest.NewRecorder()
	server.ServeHTTP(reply, request)
	return reply
}

func TestMetadataRequests(t *testing.T) {
	t.Parallel()
	server, _ := metadataServer()
	const valid = `{"supportedVersions":[1,2,3]}`
	type request struct {
		body    string
		version int // 0 if it is refused
	}
	cases := map[string]request{
		"valid":                         {valid, 3},
		"white space around it":         {" \n" + valid + "\r\n\t", 3},
		"unknown fields":                {`{"a":{"b":[{}]},"supportedVersions":[2],"c":null}`, 2},
		"unknown field without UTF-8":   {"{\"a\":\"\xff\",\"supportedVersions\":[2]}", 2},
		"repeated field":                {`{"supportedVersions":[3],"supportedVersions":[1]}`, 1},
		"repeated versions, any order":  {`{"supportedVersions":[2,1,2]}`, 2},
		"version as a float":            {`{"supportedVersions":[3.0]}`, 3},
		"version with an exponent":      {`{"supportedVersions":[0.2e1]}`, 2},
		"strange versions beside":       {`{"supportedVersions":[-1,0,2.5,1e300,1]}`, 1},
		"no whole version":              {`{"supportedVersions":[2.5]}`, 0},
		"version beyond every number":   {`{"supportedVersions":[3,1e999]}`, 0},
		"version as a text":             {`{"supportedVersions":["3"]}`, 0},
		"version as a list":             {`{"supportedVersions":[[3]]}`, 0},
		"versions null":                 {`{"supportedVersions":null}`, 0},
		"null":                          {`null`, 0},
		"a list":                        {`[3]`, 0},
		"a number":                      {`3`, 0},
		"two documents":                 {valid + valid, 0},
		"text behind it":                {valid + "x", 0},
		"byte order mark":               {"\ufeff" + valid, 0},
		"UTF-16":                        {"{\x00\"\x00", 0},
		"no UTF-8":                      {"\xff\xfe", 0},
		"white space alone":             {"  ", 0},
		"NUL":                           {"\x00", 0},
		"single quotes":                 {`{'supportedVersions':[3]}`, 0},
		"lists in lists, for ever":      {strings.Repeat("[", 16_000), 0},
		"lists in an unknown, too deep": {`{"a":` + strings.Repeat("[", 8_000) + strings.Repeat("]", 7_999) + `,"supportedVersions":[3]}`, 0},
	}
	for n := range len(valid) - 1 {
		cases["cut after byte "+strconv.Itoa(n+1)] = request{valid[:n+1], 0}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reply := exchange(t, server, []byte(c.body), http.Header{"Host": {"db"}})
			if c.version == 0 {
				if reply.Code != http.StatusBadRequest {
					t.Errorf("status %d: %s; want 400", reply.Code, reply.Body)
				}
				return
			}
			want := `{"version":` + strconv.Itoa(c.version) + `,`
			if reply.Code != http.StatusOK || !strings.HasPrefix(reply.Body.String(), want) {
				t.Errorf("status %d: %s; want version %d", reply.Code, reply.Body, c.version)
			}
		})
	}
}

// The reply has exactly the allowed fields, whatever was asked and by which name, or
// tells the client what it did wrong.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(nil), "localhost:4512", "", "")
	f.Add([]byte(`{"supportedVersions":[1,2,3]}`), "[::1]:4512", "https", "kv.example.com")
	f.Add([]byte(`{"supportedVersions":[3,2.5,"x"],"a":[{}]}`), "é", "https, http", "kv.example.com:443, other")
	f.Add([]byte("\xff\xfe"), "a b", "javascript", "user@host")
	server, id := metadataServer()
	f.Fuzz(func(t *testing.T, body []byte, host, forwardedProto, forwardedHost string) {
		header := http.Header{"Host": {host}, "X-Forwarded-Proto": {forwardedProto}, "X-Forwarded-Host": {forwardedHost}}
		reply := exchange(t, server, body, header)
		if got := reply.Header().Get("Content-Length"); got != strconv.Itoa(reply.Body.Len()) {
			t.Errorf("Content-Length %q for %d bytes", got, reply.Body.Len())
		}
		if reply.Code != http.StatusOK {
			if reply.Code < 400 || reply.Code > 499 || reply.Body.Len() == 0 || reply.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("status %d: %q", reply.Code, reply.Body)
			}
			return
		}
		if got := reply.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("content type %q", got)
		}
		if err := checkMetadataReply(reply.Body.Bytes(), body, id); err != nil {
			t.Errorf("%v: %s", err, reply.Body)
		}
	})
}

func checkMetadataReply(reply, request []byte, id uuid.UUID) error {
	var m struct {
		Version    int    `json:"version"`
		DatabaseID string `json:"databaseId"`
		Endpoints  []struct {
			URL         string `json:"url"`
			Consistency string `json:"consistency"`
		} `json:"endpoints"`
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expiresAt"`
	}
	var fields map[string]json.RawMessage
	decoder := json.NewDecoder(bytes.NewReader(reply))
	decoder.DisallowUnknownFields()
	if err := errors.Join(decoder.Decode(&m), json.Unmarshal(reply, &fields)); err != nil {
		return err
	}
	var offered struct {
		SupportedVersions []float64 `json:"supportedVersions"`
	}
	offered.SupportedVersions = []float64{1}
	if len(request) > 0 {
		if err := json.Unmarshal(request, &offered); err != nil {
			return err
		}
	}
	var common []int
	for version := 1; version <= 3; version++ {
		if slices.Contains(offered.SupportedVersions, float64(version)) {
			common = append(common, version)
		}
	}
	switch {
	case len(fields) != 5 || len(m.Endpoints) != 1:
		return errors.New("the fields are not those of the specification")
	case len(common) == 0 || m.Version != common[len(common)-1]:
		return errors.New("the version is not the highest in common")
	case m.DatabaseID != id.String() || m.Endpoints[0].Consistency != "strong" || m.Token == "" || time.Until(m.ExpiresAt) < time.Minute:
		return errors.New("a field has another value")
	}
	endpoint, err := url.Parse(m.Endpoints[0].URL)
	if err != nil {
		return err
	}
	scheme := endpoint.Scheme == "http" || endpoint.Scheme == "https"
	if !scheme || endpoint.Host == "" || endpoint.Path != "/v2" || endpoint.String() != (&url.URL{Scheme: endpoint.Scheme, Host: endpoint.Host, Path: "/v2"}).String() {
		return errors.New("the endpoint is not a scheme, a host and a path")
	}
	return nil
}
