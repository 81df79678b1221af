package doctor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSmallestLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files     map[string]string
		limit     int64
		isLimited bool
	}{
		"none":             {map[string]string{"a/b/memory.max": "max\n"}, 0, false},
		"no such files":    {nil, 0, false},
		"of the group":     {map[string]string{"a/b/memory.max": "1000\n", "a/memory.max": "max\n"}, 1000, true},
		"of one around it": {map[string]string{"a/b/memory.max": "1000\n", "a/memory.max": "500\n"}, 500, true},
		"of a container":   {map[string]string{"memory.max": "700\n"}, 700, true},
		"damaged":          {map[string]string{"a/memory.max": "a lot\n"}, 0, false},
	} {
		root := t.TempDir()
		for path, content := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if limit, isLimited := smallestLimit(root, "/a/b"); limit != c.limit || isLimited != c.isLimited {
			t.Errorf("%s: %d, %v, want %d, %v", name, limit, isLimited, c.limit, c.isLimited)
		}
	}
}
