//go:build !linux

package doctor

// volumeOf does not know how to ask this system.
func volumeOf(string) (v volume, known bool) { return volume{}, false }
