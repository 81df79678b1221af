package main

import (
	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
	"github.com/spf13/pflag"
)

// addConnectionFlags gives the flags that bound the connections of clients.
func addConnectionFlags(f *pflag.FlagSet, limits *service.ConnectionLimits) {
	f.IntVar(&limits.Max, "max-connections", service.DefaultMaxConnections,
		"the `number` of connections that may be open at once; those beyond are refused with a 503; "+
			"it is lower if the limit of open files is; 0 for as many as that allows")
	f.IntVar(&limits.MaxPerAddress, "max-connections-per-address", 0,
		"the `number` of connections that one address of clients may have; not for a server behind a proxy, whose address would be that of all; 0 for no bound")
}
