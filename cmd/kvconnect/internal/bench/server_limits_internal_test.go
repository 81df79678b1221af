//go:build linux

package bench

import (
	"os"
	"testing"
)

func TestParseOpenFiles(t *testing.T) {
	t.Parallel()
	const limits = "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max processes             96350                96350                processes \n"
	for name, c := range map[string]struct {
		line string
		want fileLimit
	}{
		"a limit":  {"Max open files            1024                 524288               files     \n", fileLimit{1024, true}},
		"no limit": {"Max open files            unlimited            524288               files     \n", fileLimit{}},
		"no line":  {"", fileLimit{}},
		"no more":  {"Max open files", fileLimit{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := parseOpenFiles(limits + c.line); got != c.want {
				t.Errorf("the limit is %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestProcessLimits(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	if got, own := processOpenFiles(pid), ownOpenFiles(); got != own || !own.known {
		t.Errorf("this process may open %+v, by itself %+v", got, own)
	}
	memory, ok := processMemory(pid)
	if !ok || memory < 100<<10 {
		t.Errorf("this process has %d bytes, %v", memory, ok)
	}
	if got := processOpenFiles(0); got.known {
		t.Errorf("no process may open %+v", got)
	}
	if memory, ok := processMemory(0); ok {
		t.Errorf("no process has %d bytes", memory)
	}
}
