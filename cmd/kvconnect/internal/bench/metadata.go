package bench

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"golang.org/x/net/http2/hpack"
)

const exchangeBody = `{"supportedVersions":[1,2,3]}`

// database is what a metadata exchange tells: where the data path is, and how calls
// of it begin.
type database struct {
	version  int
	endpoint *url.URL

	snapshotRead *httpconn.Route
	atomicWrite  *httpconn.Route
	watch        *httpconn.Route
}

// metadataReply is the reply of a metadata exchange.
type metadataReply struct {
	Version    int                `json:"version"`
	DatabaseID string             `json:"databaseId"`
	Endpoints  []metadataEndpoint `json:"endpoints"`
	Token      string             `json:"token"`
}

type metadataEndpoint struct {
	URL         string `json:"url"`
	Consistency string `json:"consistency"`
}

// exchangeRoute gives the route of the metadata exchange with a server.
func exchangeRoute(server Server) *httpconn.Route {
	return &httpconn.Route{Path: "/" + strings.TrimPrefix(server.URL.EscapedPath(), "/"), Header: []hpack.HeaderField{
		{Name: "authorization", Value: "Bearer " + server.AccessToken},
		{Name: "content-type", Value: "application/json"},
	}}
}

// exchange makes the metadata exchange on a connection.
func exchange(ctx context.Context, conn httpconn.Conn, server Server, route *httpconn.Route) (*database, error) {
	call := httpconn.Call{Route: route, Body: []byte(exchangeBody)}
	if err := conn.Do(ctx, &call); err != nil {
		return nil, err
	}
	if call.Status != http.StatusOK {
		return nil, &statusError{status: call.Status, text: string(call.Reply)}
	}
	var reply metadataReply
	if err := json.Unmarshal(call.Reply, &reply); err != nil {
		return nil, &wrongReplyError{"the metadata is not the JSON of a KV Connect server"}
	}
	return reply.database(server.URL)
}

func (m metadataReply) database(base *url.URL) (*database, error) {
	i := slices.IndexFunc(m.Endpoints, func(e metadataEndpoint) bool { return e.Consistency == "strong" })
	if i < 0 {
		return nil, &wrongReplyError{"the metadata names no endpoint of strong consistency"}
	}
	if m.Version < 1 || m.Version > 3 || m.Token == "" {
		return nil, &wrongReplyError{"the metadata has no token, or a version that was not offered"}
	}
	endpoint, err := base.Parse(m.Endpoints[i].URL) // denokv names a relative one
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		return nil, &wrongReplyError{"the endpoint in the metadata is no URL"}
	}
	header := []hpack.HeaderField{
		{Name: "authorization", Value: "Bearer " + m.Token},
		{Name: "content-type", Value: "application/x-protobuf"},
	}
	if m.Version == 1 {
		header = append(header, hpack.HeaderField{Name: "x-transaction-domain-id", Value: m.DatabaseID})
	} else {
		header = append(header,
			hpack.HeaderField{Name: "x-denokv-database-id", Value: m.DatabaseID},
			hpack.HeaderField{Name: "x-denokv-version", Value: strconv.Itoa(m.Version)})
	}
	route := func(method string) *httpconn.Route {
		return &httpconn.Route{Path: strings.TrimRight(endpoint.EscapedPath(), "/") + "/" + method, Header: header}
	}
	return &database{
		version: m.Version, endpoint: endpoint,
		snapshotRead: route("snapshot_read"), atomicWrite: route("atomic_write"), watch: route("watch"),
	}, nil
}

// explain says what to do about a server that cannot be opened.
func explain(server Server, version httpconn.Version, err error) error {
	var status *statusError
	var certificate *tls.CertificateVerificationError
	advice := "check the URL, and that the server runs there"
	switch {
	case errors.As(err, &status) && (status.status == http.StatusUnauthorized || status.status == http.StatusForbidden):
		advice = "give the access token of this server"
	case errors.As(err, &status):
		advice = "check that the URL is the one that programs give to Deno.openKv"
	case errors.As(err, &certificate):
		advice = "name a file with a certificate to trust in SSL_CERT_FILE"
	case version == httpconn.HTTP2 && errors.Is(err, httpconn.ErrProtocol):
		advice = "it may not speak HTTP/2; try --http 1.1"
	}
	return fmt.Errorf("open %s: %w: %s", server.URL, err, advice)
}
