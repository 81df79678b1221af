package doctor

import (
	"testing"
)

func TestVolumeFindings(t *testing.T) {
	t.Parallel()
	good := volume{name: "ext4", freeBytes: 10 << 30, files: 1000, freeFiles: 900}
	changed := func(change func(*volume)) volume {
		v := good
		change(&v)
		return v
	}
	const bytes = 1 << 30
	for name, c := range map[string]struct {
		volume volume
		want   [3]Status // of the kind, the space and the inodes
	}{
		"good":                       {good, [3]Status{OK, OK, OK}},
		"mounted for reading":        {changed(func(v *volume) { v.readOnly = true }), [3]Status{Fail, OK, OK}},
		"over a network":             {changed(func(v *volume) { v.kind = remote }), [3]Status{Warn, OK, OK}},
		"in memory":                  {changed(func(v *volume) { v.kind = inMemory }), [3]Status{Warn, OK, OK}},
		"of a container":             {changed(func(v *volume) { v.kind = layered }), [3]Status{Warn, OK, OK}},
		"of a kind that is not told": {changed(func(v *volume) { v.name = "" }), [3]Status{OK, OK, OK}},
		"a copy just fits":           {changed(func(v *volume) { v.freeBytes = bytes }), [3]Status{OK, OK, OK}},
		"a copy does not fit":        {changed(func(v *volume) { v.freeBytes = bytes - 1 }), [3]Status{OK, Warn, OK}},
		"just not full":              {changed(func(v *volume) { v.freeBytes = littleSpaceBytes }), [3]Status{OK, Warn, OK}},
		"full":                       {changed(func(v *volume) { v.freeBytes = littleSpaceBytes - 1 }), [3]Status{OK, Fail, OK}},
		"without inodes":             {changed(func(v *volume) { v.files, v.freeFiles = 0, 0 }), [3]Status{OK, OK, OK}},
		"with few inodes left":       {changed(func(v *volume) { v.freeFiles = littleFiles - 1 }), [3]Status{OK, OK, Fail}},
	} {
		var got [3]Status
		for i, finding := range c.volume.findings(bytes, false) {
			got[i] = finding.Status
			if (finding.Status == OK) != (finding.Advice == "") {
				t.Errorf("%s: %s is %s with the advice %q", name, finding.Check, finding.Status, finding.Advice)
			}
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// What only matters to who writes is nothing to a server that only reads.
func TestVolumeOfAServerThatReads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		volume volume
		want   Status
	}{
		"full, and mounted for reading": {volume{name: "ext4", readOnly: true, files: 1000}, OK},
		"over a network":                {volume{name: "nfs", kind: remote}, Warn},
	} {
		if got := c.volume.findings(1<<30, true); len(got) != 1 || got[0].Status != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestGuessableTokens(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]bool{
		"correcthorse":                     true, // short
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": true,
		"1212121212121212121212121212":     true,
		"4a5d7f00c0de4a5d7f00c0de4a5d7f00": false,
	} {
		if got := isGuessable(token); got != want {
			t.Errorf("%s: %v, want %v", token, got, want)
		}
	}
}

func TestScopeOf(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		"e30.eyJzY29wZSI6InJlYWQifQ.x":  "read",
		"e30.eyJzY29wZSI6IndyaXRlIn0.x": "write",
		"e30.eyJzY29wZSI6ImFkbWluIn0.x": "(unknown)",
		"e30.!.x":                       "(unknown)",
		"":                              "(unknown)",
	} {
		if got := scopeOf(token); got != want {
			t.Errorf("%s: %s, want %s", token, got, want)
		}
	}
}

func TestEscapePattern(t *testing.T) {
	t.Parallel()
	if got, want := escapePattern("/a[b]/c*?/kv.sqlite"), `/a\[b]/c\*\?/kv.sqlite`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
