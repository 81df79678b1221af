package conformance

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// What protocol/v8value makes of the values that Deno stores is the same to Deno, down
// to the bytes in which it stores them again, and to Node.
func TestV8ValuesInRealRuntimes(t *testing.T) {
	t.Parallel()
	needClients(t)
	raw, err := os.ReadFile(filepath.Join("..", "protocol", "v8value", "testdata", "values.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Values []struct {
			JS      string `json:"js"`
			Stored  string `json:"stored"`
			Encoded string `json:"encoded"`
		} `json:"values"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for i, value := range file.Values {
		stored, err := hex.DecodeString(value.Stored)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := v8value.Decode(stored)
		if err != nil {
			t.Fatalf("%s: %v", value.JS, err)
		}
		encoded, err := v8value.Encode(decoded)
		if err != nil {
			t.Fatalf("%s: %v", value.JS, err)
		}
		file.Values[i].Encoded = hex.EncodeToString(encoded)
	}
	if raw, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "values.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string][]string{
		"Deno": {denoPath(t), "run", "-A"},
		"Node": {"node", "--import", "tsx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runClient(t, target{}, run[0], append(run[1:], "v8values.ts", "check", path)...)
		})
	}
}
