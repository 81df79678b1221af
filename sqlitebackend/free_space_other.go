//go:build !linux && !darwin

package sqlitebackend

// freeBytes cannot tell how much room there is.
func freeBytes(string) (n uint64, known bool) { return 0, false }
