package service_test

import (
	"strings"
	"testing"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/service"
)

// What no machine could serve is told before anything is opened, all at once.
func TestValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options service.Options
		want    []string // lines
	}{
		"usable":           {service.Options{Transport: service.TransportLoop, Durability: "normal", Addr: "localhost:0"}, nil},
		"a port by name":   {service.Options{Transport: service.TransportStd, Addr: ":http", AdminAddr: "[::1]:4513"}, nil},
		"nothing is right": {service.Options{Transport: "h3", Durability: "off", Addr: "localhost", AdminAddr: "localhost:65536"}, []string{"--transport: ", "--addr", "--durability: ", "--admin-addr"}},
		"a negative port":  {service.Options{Transport: service.TransportLoop, Addr: "localhost:-1"}, []string{"--addr"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines []string
			if err := c.options.Validate(); err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(c.want) {
				t.Fatalf("%q, want %q", lines, c.want)
			}
			for i, line := range lines {
				if !strings.Contains(line, c.want[i]) {
					t.Errorf("%q, want %q", line, c.want[i])
				}
			}
		})
	}
}
