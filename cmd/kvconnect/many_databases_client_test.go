package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/httpconn"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

var errWrongReply = errors.New("a reply that is wrong")

// databaseClient makes calls of one database, one after another. Several may share a
// connection.
type databaseClient struct {
	conn        httpconn.Conn
	database    filledDatabase
	call        httpconn.Call
	read, write *httpconn.Route // nil before the metadata exchange
}

// dialServer opens a connection, which the caller closes.
func dialServer(ctx context.Context, server *url.URL) (httpconn.Conn, error) {
	return httpconn.Dial(ctx, server, httpconn.HTTP2, scriptPatience)
}

// do makes a call, which must succeed. The reply is valid until the next one.
func (c *databaseClient) do(ctx context.Context, route *httpconn.Route, body []byte) ([]byte, error) {
	c.call.Route, c.call.Body = route, body
	if err := c.conn.Do(ctx, &c.call); err != nil {
		return nil, err
	}
	if c.call.Status != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d: %s", errWrongReply, c.call.Status, c.call.Reply)
	}
	return c.call.Reply, nil
}

// exchange makes the metadata exchange.
func (c *databaseClient) exchange(ctx context.Context) error {
	reply, err := c.do(ctx, &httpconn.Route{Path: "/", Header: []hpack.HeaderField{
		{Name: "authorization", Value: "Bearer " + c.database.accessToken}, {Name: "content-type", Value: "application/json"},
	}}, []byte(`{"supportedVersions":[3]}`))
	if err != nil {
		return err
	}
	var metadata struct {
		DatabaseID string `json:"databaseId"`
		Token      string `json:"token"`
	}
	if err := json.Unmarshal(reply, &metadata); err != nil {
		return err
	}
	header := []hpack.HeaderField{
		{Name: "authorization", Value: "Bearer " + metadata.Token},
		{Name: "content-type", Value: "application/x-protobuf"},
		{Name: "x-denokv-database-id", Value: metadata.DatabaseID},
		{Name: "x-denokv-version", Value: "3"},
	}
	c.read = &httpconn.Route{Path: "/v2/snapshot_read", Header: header}
	c.write = &httpconn.Route{Path: "/v2/atomic_write", Header: header}
	return nil
}

// get reads an entry, whose value must be one of this database.
func (c *databaseClient) get(ctx context.Context, i int) error {
	key := c.database.key(i)
	body, err := proto.Marshal(&datapath.SnapshotRead{Ranges: []*datapath.ReadRange{{Start: key, End: append(key, 0), Limit: 1}}})
	if err != nil {
		return err
	}
	reply, err := c.do(ctx, c.read, body)
	if err == nil && !bytes.Contains(reply, []byte(c.database.mark())) {
		err = fmt.Errorf("%w: entry %d of %s is not in %q", errWrongReply, i, c.database.name, reply)
	}
	return err
}

// set writes an entry.
func (c *databaseClient) set(ctx context.Context, i int) error {
	body, err := proto.Marshal(&datapath.AtomicWrite{Mutations: []*datapath.Mutation{{
		Key: c.database.key(i), MutationType: datapath.MutationType_M_SET,
		Value: &datapath.KvValue{Data: c.database.value(), Encoding: datapath.ValueEncoding_VE_BYTES},
	}}})
	if err != nil {
		return err
	}
	reply, err := c.do(ctx, c.write, body)
	if err != nil {
		return err
	}
	var output datapath.AtomicWriteOutput
	if err := proto.Unmarshal(reply, &output); err != nil {
		return err
	}
	if output.GetStatus() != datapath.AtomicWriteStatus_AW_SUCCESS {
		return fmt.Errorf("%w: the write ended with %v", errWrongReply, output.GetStatus())
	}
	return nil
}
