// Command kvconnect is a self-hosted Deno KV server.
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	ctx, stop := interruptible(context.Background())
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "kvconnect: %v\n", err)
		os.Exit(1)
	}
}
