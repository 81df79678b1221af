package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// byteUnits are what a size may end in, the longer names first.
var byteUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3}, // as formatBytes has it
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
	{"", 1},
}

// byteSize is the flag of a size such as 500MB or 2GiB; 0 for no bound.
type byteSize int64

// Set implements pflag.Value.
func (s *byteSize) Set(text string) error {
	for _, unit := range byteUnits {
		digits, fits := strings.CutSuffix(text, unit.name)
		if !fits {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/unit.bytes {
			break
		}
		*s = byteSize(n * unit.bytes)
		return nil
	}
	return errors.New("give a whole number and a unit, such as 500MB or 2GiB")
}

// String implements pflag.Value.
func (s *byteSize) String() string { return strconv.FormatInt(int64(*s), 10) }

// Type implements pflag.Value.
func (s *byteSize) Type() string { return "size" }

// formatBytes gives a size for people.
func formatBytes(n int64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if n < 10_000 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n = (n + 500) / 1000
	}
	return fmt.Sprintf("%d TB", n)
}

// lifetime is the flag of a duration that may be in days: 90d, 12h.
type lifetime time.Duration

const day = 24 * time.Hour

// maxLifetime is far beyond any use, and far below where times overflow.
const maxLifetime = 100 * 365 * day

// Set implements pflag.Value.
func (l *lifetime) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, inDays := strings.CutSuffix(text, "d"); inDays {
		var n int64
		n, err = strconv.ParseInt(days, 10, 64)
		d = time.Duration(min(max(n, 0), int64(maxLifetime/day)+1)) * day // which does not overflow
	}
	if err != nil || d <= 0 || d > maxLifetime {
		return errors.New("give a duration such as 90d, 12h or 30m, at most 100 years")
	}
	*l = lifetime(d)
	return nil
}

// String implements pflag.Value.
func (l *lifetime) String() string {
	switch d := time.Duration(*l); {
	case d == 0:
		return "" // it is not set
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	default:
		return d.String()
	}
}

// Type implements pflag.Value.
func (l *lifetime) Type() string { return "duration" }
