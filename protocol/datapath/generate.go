// Package datapath holds the protobuf messages of the KV Connect data path,
// generated from datapath.proto, and nothing else.
//
// Package protocol turns them into checked domain types; no other package of
// the server should look into them.
package datapath

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate --template buf.gen.yaml --path datapath.proto
