package bench

import "slices"

// Ratio compares a server with the first one, in one workload: the figure of the
// server divided by that of the first, in the same round.
type Ratio struct {
	Workload string `json:"workload"`
	Server   string `json:"server"`
	Base     string `json:"base"`
	// A ratio is null where a figure is missing or 0.
	OperationsPerSecond   *Spread `json:"operations_per_second"`
	P50                   *Spread `json:"p50"`
	P99                   *Spread `json:"p99"`
	ServerCPUPerOperation *Spread `json:"server_cpu_per_operation"`
}

// Spread tells how a ratio came out over the rounds.
type Spread struct {
	Median  float64 `json:"median"`
	Lowest  float64 `json:"lowest"`
	Highest float64 `json:"highest"`
}

func ratios(workloads []string, servers []ServerReport, results []Result) []Ratio {
	out := []Ratio{}
	find := func(workload, server string) []Figures {
		for _, r := range results {
			if r.Workload == workload && r.Server == server {
				return r.Rounds
			}
		}
		return nil
	}
	for _, workload := range workloads {
		base := find(workload, servers[0].Name)
		for _, server := range servers[1:] {
			other := find(workload, server.Name)
			out = append(out, Ratio{
				Workload: workload, Server: server.Name, Base: servers[0].Name,
				OperationsPerSecond:   spread(other, base, func(f Figures) float64 { return f.OperationsPerSecond }),
				P50:                   spread(other, base, func(f Figures) float64 { return f.P50Us }),
				P99:                   spread(other, base, func(f Figures) float64 { return f.P99Us }),
				ServerCPUPerOperation: spread(other, base, func(f Figures) float64 { return orZero(f.ServerCPUUsPerOperation) }),
			})
		}
	}
	return out
}

func orZero(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

// spread divides round by round. A run that was interrupted may have fewer rounds of
// the one than of the other.
func spread(other, base []Figures, figure func(Figures) float64) *Spread {
	var all []float64
	for i := range min(len(other), len(base)) {
		if a, b := figure(other[i]), figure(base[i]); a > 0 && b > 0 {
			all = append(all, a/b)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	middle := len(all) / 2
	median := all[middle]
	if len(all)%2 == 0 {
		median = (all[middle-1] + median) / 2
	}
	return &Spread{Median: median, Lowest: all[0], Highest: all[len(all)-1]}
}
