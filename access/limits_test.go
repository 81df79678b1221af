package access_test

import (
	"errors"
	"math"
	"testing"

	"github.com/kvconnect/kvconnect/access"
)

func TestLimitsValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits access.Limits
		valid  bool
	}{
		"none":                     {access.Limits{}, true},
		"all":                      {access.Limits{RequestsPerSecond: 0.5, Watches: 1, FileBytes: 1}, true},
		"the largest":              {access.Limits{RequestsPerSecond: math.MaxFloat64, Watches: math.MaxInt, FileBytes: math.MaxInt64}, true},
		"negative requests":        {access.Limits{RequestsPerSecond: -0.1}, false},
		"requests that are no one": {access.Limits{RequestsPerSecond: math.NaN()}, false},
		"endless requests":         {access.Limits{RequestsPerSecond: math.Inf(1)}, false},
		"endlessly negative":       {access.Limits{RequestsPerSecond: math.Inf(-1)}, false},
		"negative watches":         {access.Limits{Watches: -1}, false},
		"negative file":            {access.Limits{FileBytes: -1}, false},
	} {
		err := c.limits.Validate()
		if c.valid != (err == nil) || err != nil && !errors.Is(err, access.ErrInvalidLimits) {
			t.Errorf("%s: %v; valid should be %v", name, err, c.valid)
		}
	}
}
