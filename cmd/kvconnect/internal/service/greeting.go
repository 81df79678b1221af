package service

import (
	"fmt"
	"io"
)

// greeting is what a user needs in order to open the database from a program.
type greeting struct {
	url      string
	path     string
	readOnly bool
	token    tokenSource
	newToken string
}

// greet prints the greeting. A token that the user chose is not repeated: it is
// known, and terminals and logs are read by others.
func greet(out io.Writer, g greeting) {
	mode := ""
	if g.readOnly {
		mode = " (read-only)"
	}
	tokenLine, tokenInCommand := "the one you chose", "<your access token>"
	switch g.token {
	case tokenMadeNow:
		tokenLine = g.newToken + "\n                (made now; it is not shown again)"
		tokenInCommand = g.newToken
	case tokenMadeEarly:
		tokenLine = "the one shown at the first start\n                (lost? start once with --new-access-token)"
	case tokenChosen:
	}
	// An error here means that nobody reads; the server runs all the same.
	_, _ = fmt.Fprintf(out, `kvconnect is listening on %s

  database      %s%s
  access token  %s

In your Deno program:

  const kv = await Deno.openKv(%q);

Run it with:

  DENO_KV_ACCESS_TOKEN=%s deno run --unstable-kv --allow-env --allow-net main.ts

`, g.url, g.path, mode, tokenLine, g.url, tokenInCommand)
}
