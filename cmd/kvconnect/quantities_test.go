package main

import (
	"testing"
	"time"
)

func TestByteSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{
		"0": 0, "12": 12, "12B": 12, "500kB": 500_000, "500 kB": 500_000, "500KB": 500_000, "3KiB": 3 << 10,
		"500MB": 500_000_000, "2GiB": 2 << 30, "1TB": 1_000_000_000_000, "4194304TiB": 1 << 62,
	} {
		var got byteSize
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "-1", "-1MB", "1.5GB", "1PB", "1 m", "4194305TiB", "9223372036854775808"} {
		if got := byteSize(7); got.Set(text) == nil || got != 7 {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}

// What the program prints can be given to it.
func TestFormatBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 9_999: "9999 B", 10_000: "10 kB", 500_000_000: "500 MB", 2 << 30: "2147 MB", 1 << 62: "4611686 TB",
	} {
		got := formatBytes(n)
		if got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
		var size byteSize
		if err := size.Set(got); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute, "36500d": 36500 * day,
	} {
		var got lifetime
		if err := got.Set(text); err != nil || time.Duration(got) != want {
			t.Errorf("%q is %v, %v; want %v", text, time.Duration(got), err, want)
		}
	}
	// Of the last ones the product overflows, for the second last into a lifetime.
	for _, text := range []string{"", "d", "0d", "0s", "-1h", "-1d", "1.5d", "yesterday", "36501d", "-213503d", "9223372036854775807d"} {
		if got := lifetime(7); got.Set(text) == nil || got != 7 {
			t.Errorf("%q is %v, want an error", text, time.Duration(got))
		}
	}
}
