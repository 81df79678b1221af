// Command kvconnect is a self-hosted Deno KV server.
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	ctx, stop := interruptible(context.Background())
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "kvconnect: %v\n", err)
		os.Exit(1)
	}
}
