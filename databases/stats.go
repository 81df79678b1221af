package databases

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Stats is what a Pool holds at one moment.
type Stats struct {
	// MaxOpen bounds the sum of the databases that are Open, Opening and Closing.
	MaxOpen int
	// Open has the databases that can be lent, in the order of their ids.
	Open []OpenStats
	// Opening and Closing are the numbers of those that are being opened and closed.
	Opening, Closing int
	// Waiting is the number of those for which there is no room yet.
	Waiting int
}

// OpenStats is a database that is open.
type OpenStats struct {
	DatabaseID uuid.UUID
	// Loans is how many have borrowed it: requests under way, and open watches.
	Loans int
	// LastUse is when a loan was given back last, or the database was opened.
	LastUse time.Time
}

// Stats tells operators what is open.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := Stats{
		MaxOpen: p.options.MaxOpen,
		Opening: len(p.openings) - len(p.line),
		Closing: len(p.closings),
		Waiting: len(p.line),
	}
	for d := range p.allOpen {
		stats.Open = append(stats.Open, OpenStats{
			DatabaseID: d.id,
			Loans:      d.count(),
			LastUse:    p.began.Add(time.Duration(d.lastUse.Load())),
		})
	}
	slices.SortFunc(stats.Open, func(a, b OpenStats) int { return bytes.Compare(a.DatabaseID[:], b.DatabaseID[:]) })
	return stats
}

// OpenCount is how many databases are open, those that are being opened or closed included. It
// is never above MaxOpen.
func (p *Pool) OpenCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.options.MaxOpen - p.room
}
