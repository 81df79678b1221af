package sqlitebackend_test

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// comparison is a line of the table: two works and what becomes of their slices.
type comparison struct {
	name          string
	ours, other   measured
	measure       func(slice) float64
	format        string // of one measurement
	target        float64
	targetIsUpper bool // the ratio is to be at most the target, not at least

	oursMeasured, otherMeasured, ratios []float64
}

// round measures both works, the second one first every other time.
func (c *comparison) round(ctx context.Context, n int, d time.Duration) error {
	first, second := c.ours, c.other
	if n%2 == 1 {
		first, second = second, first
	}
	a, err := first(ctx, d)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	b, err := second(ctx, d)
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	if n%2 == 1 {
		a, b = b, a
	}
	c.oursMeasured = append(c.oursMeasured, c.measure(a))
	c.otherMeasured = append(c.otherMeasured, c.measure(b))
	c.ratios = append(c.ratios, c.measure(a)/c.measure(b))
	return nil
}

// String gives the line in Markdown.
func (c *comparison) String() string {
	target, verdict := "", ""
	if c.target > 0 {
		ratio := median(c.ratios)
		target, verdict = fmt.Sprintf("≥ %g", c.target), "no"
		met := ratio >= c.target
		if c.targetIsUpper {
			target, met = fmt.Sprintf("≤ %g", c.target), ratio <= c.target
		}
		if met {
			verdict = "yes"
		}
	}
	return fmt.Sprintf("| %s | "+c.format+" | "+c.format+" | %s | %s | %s |",
		c.name, median(c.oursMeasured), median(c.otherMeasured), ratioText(c.ratios), target, verdict)
}

func TestComparison(t *testing.T) {
	t.Parallel()
	always := func(s slice) measured {
		return func(context.Context, time.Duration) (slice, error) { return s, nil }
	}
	ours := always(slice{operations: 10, wall: time.Second, cpu: 30})
	other := always(slice{operations: 5, wall: time.Second, cpu: 10})
	for _, test := range []struct {
		comparison
		want string
	}{
		{
			comparison{name: "enough", measure: slice.perSecond, format: "%.0f/s", target: 2},
			"| enough | 10/s | 5/s | 2.00 (2.00–2.00) | ≥ 2 | yes |",
		},
		{
			comparison{name: "too little", measure: slice.perSecond, format: "%.0f/s", target: 2.5},
			"| too little | 10/s | 5/s | 2.00 (2.00–2.00) | ≥ 2.5 | no |",
		},
		{
			comparison{name: "few", measure: slice.cpuNs, format: "%.0f ns", target: 1.5, targetIsUpper: true},
			"| few | 3 ns | 2 ns | 1.50 (1.50–1.50) | ≤ 1.5 | yes |",
		},
		{
			comparison{name: "too many", measure: slice.cpuNs, format: "%.0f ns", target: 1.4, targetIsUpper: true},
			"| too many | 3 ns | 2 ns | 1.50 (1.50–1.50) | ≤ 1.4 | no |",
		},
		{
			comparison{name: "no target", measure: slice.cpuNs, format: "%.0f ns"},
			"| no target | 3 ns | 2 ns | 1.50 (1.50–1.50) |  |  |",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := test.comparison
			c.ours, c.other = ours, other
			for n := range 4 {
				if err := c.round(t.Context(), n, time.Second); err != nil {
					t.Fatal(err)
				}
			}
			if got := c.String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
