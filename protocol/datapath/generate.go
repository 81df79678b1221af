// Package datapath holds the protobuf messages of the KV Connect data path,
// generated from datapath.proto, and nothing else.
//
// It is the schema that package protocol is written for. The server converts
// requests and replies without these messages; its tests and clients use them.
package datapath

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate --template buf.gen.yaml --path datapath.proto
