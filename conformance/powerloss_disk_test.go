package conformance

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// simulatedDisk is one folder: what programs see in it, and what of it is sure to be
// there after a power cut. It presumes of a file system what POSIX promises and SQLite
// relies on:
//
//   - What was done to a file before a sync of it began is durable when the sync ends.
//     The rest may be there in any selection and order, and in part by sectors. Bytes
//     beside those written do not suffer (SQLite's "powersafe overwrite").
//   - Names that came and went are durable once the folder was synced, not with the file.
//     Of later changes of names, the first ones up to some point are there: all file
//     systems with a journal keep that order.
type simulatedDisk struct {
	ignoreSyncs bool // as a disk does that lies

	names        map[string]*simulatedFile // as programs see them
	durableNames map[string]*simulatedFile
	pendingNames []nameChange // that lead from durableNames to names

	inodes map[uint64]*simulatedFile
	begun  map[int64]int // for each sync under way: how many changes there were before it
	// settledNames is how many changes of names are durable.
	settledNames int
}

// simulatedFile is the content of a file, under whatever name.
type simulatedFile struct {
	content []byte       // as programs see it
	durable []byte       // what is sure to be there
	pending []fileChange // that lead from durable to content
	settled int          // how many changes are in durable
}

// fileChange is a write, or the new size of a file if data is nil.
type fileChange struct {
	offset int64
	data   []byte
}

// nameChange gives a name to a file, or takes it away if file is nil.
type nameChange struct {
	name string
	file *simulatedFile
}

func newSimulatedDisk() *simulatedDisk {
	return &simulatedDisk{
		names: make(map[string]*simulatedFile), durableNames: make(map[string]*simulatedFile),
		inodes: make(map[uint64]*simulatedFile), begun: make(map[int64]int),
	}
}

// apply does what a program did.
func (d *simulatedDisk) apply(operation diskOperation) error {
	file := d.inodes[operation.inode]
	switch operation.kind {
	case diskOpen:
		if d.names[operation.name] == nil {
			file = &simulatedFile{}
			d.inodes[operation.inode] = file
			d.rename(nameChange{operation.name, file})
		} else if d.names[operation.name] != file {
			return fmt.Errorf("%s was opened, which is another file than the trace says", operation.name)
		}
		return nil
	case diskUnlink:
		d.rename(nameChange{operation.name, nil})
		return nil
	}
	if file == nil && operation.inode != 0 {
		return fmt.Errorf("operation %c on a file that was never opened", operation.kind)
	}
	switch operation.kind {
	case diskWrite:
		file.change(fileChange{operation.number, operation.data})
	case diskTruncate:
		file.change(fileChange{operation.number, nil})
	case diskSyncBegin:
		d.begun[operation.number] = d.settledNames + len(d.pendingNames)
		if file != nil {
			d.begun[operation.number] = file.settled + len(file.pending)
		}
	case diskSyncEnd:
		before := d.begun[operation.number]
		delete(d.begun, operation.number)
		if d.ignoreSyncs {
			return nil
		}
		if file != nil {
			file.settle(before)
		} else {
			d.settleNames(before)
		}
	}
	return nil
}

func (d *simulatedDisk) rename(change nameChange) {
	d.pendingNames = append(d.pendingNames, change)
	change.apply(d.names)
}

func (c nameChange) apply(names map[string]*simulatedFile) {
	if c.file == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.file
	}
}

// settleNames makes the first n of all changes of names durable.
func (d *simulatedDisk) settleNames(n int) {
	for ; d.settledNames < n; d.settledNames++ {
		d.pendingNames[0].apply(d.durableNames)
		d.pendingNames = d.pendingNames[1:]
	}
}

func (f *simulatedFile) change(change fileChange) {
	f.content = change.apply(f.content)
	f.pending = append(f.pending, change)
}

// settle makes the first n of all changes durable.
func (f *simulatedFile) settle(n int) {
	for ; f.settled < n; f.settled++ {
		f.durable = f.pending[0].apply(f.durable)
		f.pending = f.pending[1:]
	}
}

// apply gives the content with the change, in place where there is room.
func (c fileChange) apply(content []byte) []byte {
	if c.data == nil {
		return resized(content, c.offset)
	}
	if end := c.offset + int64(len(c.data)); end > int64(len(content)) {
		content = resized(content, end)
	}
	copy(content[c.offset:], c.data)
	return content
}

// resized gives the content with a new size, with zeros for what is new.
func resized(content []byte, size int64) []byte {
	if size <= int64(len(content)) {
		return content[:size]
	}
	before := len(content)
	content = slices.Grow(content, int(size)-before)[:size]
	clear(content[before:])
	return content
}

// sectors gives the change in parts that the disk makes whole or not at all. A new size
// is one part.
func (c fileChange) sectors() []fileChange {
	if c.data == nil {
		return []fileChange{c}
	}
	var parts []fileChange
	for done := int64(0); done < int64(len(c.data)); {
		at := c.offset + done
		n := min(sectorBytes-at%sectorBytes, int64(len(c.data))-done)
		parts = append(parts, fileChange{at, c.data[done : done+n]})
		done += n
	}
	return parts
}

// afterPowerCut draws what the disk may hold when the power fails now.
func (d *simulatedDisk) afterPowerCut(random *rand.Rand) map[string][]byte {
	names := maps.Clone(d.durableNames)
	kept := len(d.pendingNames)
	switch random.IntN(3) {
	case 0:
		kept = 0
	case 1:
		kept = random.IntN(kept + 1)
	}
	for _, change := range d.pendingNames[:kept] {
		change.apply(names)
	}
	contents := make(map[string][]byte, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		contents[name] = names[name].afterPowerCut(random)
	}
	return contents
}

// afterPowerCut draws what the disk may hold of the file. Of the changes that are not
// durable, which are kept and in what order is drawn in one of several ways, because
// faults of different kinds show in different ones.
func (f *simulatedFile) afterPowerCut(random *rand.Rand) []byte {
	content := bytes.Clone(f.durable)
	if len(f.pending) == 0 {
		return content
	}
	var kept []fileChange
	switch random.IntN(7) {
	case 0: // none
	case 1: // all, as if the program alone had died
		kept = f.pending
	case 2: // the first ones
		kept = torn(slices.Clone(f.pending[:random.IntN(len(f.pending)+1)]), random)
	case 3: // all but one
		without := random.IntN(len(f.pending))
		kept = slices.Delete(slices.Clone(f.pending), without, without+1)
	case 4: // some, in order
		kept = torn(some(f.pending, random), random)
	case 5: // some, in any order
		kept = torn(shuffled(some(f.pending, random), random), random)
	case 6: // each sector as it was at some time
		kept = sectorsAtSomeTime(f.pending, random)
	}
	for _, change := range kept {
		content = change.apply(content)
	}
	if random.IntN(4) == 0 {
		// The file may have got its size before its content.
		size := int64(len(content))
		for _, change := range f.pending {
			size = max(size, change.offset+int64(len(change.data)))
		}
		content = resized(content, size)
	}
	return content
}

// some keeps each change by chance; how likely that is, is drawn too.
func some(changes []fileChange, random *rand.Rand) []fileChange {
	likely := random.Float64()
	var kept []fileChange
	for _, change := range changes {
		if random.Float64() < likely {
			kept = append(kept, change)
		}
	}
	return kept
}

// shuffled changes the order of writes; no write passes a change of the size, which is
// in the file system's journal.
func shuffled(changes []fileChange, random *rand.Rand) []fileChange {
	for begin := 0; begin < len(changes); {
		end := begin
		for end < len(changes) && changes[end].data != nil {
			end++
		}
		run := changes[begin:end]
		random.Shuffle(len(run), func(i, j int) { run[i], run[j] = run[j], run[i] })
		begin = end + 1
	}
	return changes
}

// torn leaves only some sectors of the last change, half of the time.
func torn(changes []fileChange, random *rand.Rand) []fileChange {
	if len(changes) == 0 || random.IntN(2) == 0 {
		return changes
	}
	last := len(changes) - 1
	parts := changes[last].sectors()
	if random.IntN(2) == 0 {
		return append(changes[:last:last], parts[:random.IntN(len(parts)+1)]...)
	}
	return append(changes[:last:last], some(parts, random)...)
}

// sectorsAtSomeTime stops at a moment of its own for each sector: what was written to it
// later is lost.
func sectorsAtSomeTime(changes []fileChange, random *rand.Rand) []fileChange {
	likely := random.Float64() // of a sector to go on
	stopped := make(map[int64]bool)
	var kept []fileChange
	for _, change := range changes {
		for _, part := range change.sectors() {
			sector := part.offset / sectorBytes
			if part.data != nil && !stopped[sector] && random.Float64() >= likely {
				stopped[sector] = true
			}
			if part.data == nil || !stopped[sector] {
				kept = append(kept, part)
			}
		}
	}
	return kept
}
