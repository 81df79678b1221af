package datadir

import (
	"context"
	"time"
)

const (
	// lastUsedInterval is how much of the times of last use a crash may cost.
	lastUsedInterval = time.Minute
	trashInterval    = time.Hour
)

// KeepHouse empties the trash and writes down when tokens were used, until ctx ends.
func (d *Dir) KeepHouse(ctx context.Context) {
	lastUsed, trash := time.NewTicker(lastUsedInterval), time.NewTicker(trashInterval)
	defer lastUsed.Stop()
	defer trash.Stop()
	d.tidy()
	for {
		select {
		case <-ctx.Done():
			return
		case <-lastUsed.C:
			if err := d.control.FlushLastUsed(ctx); err != nil && ctx.Err() == nil {
				d.options.Logger.Error("last use of tokens not written", "error", err)
			}
		case <-trash.C:
			d.tidy()
		}
	}
}

func (d *Dir) tidy() {
	if err := d.emptyTrash(); err != nil {
		d.options.Logger.Error("trash not emptied", "error", err)
	}
}
