//go:build !linux

package doctor

// isUnsynchronised is not known here.
func isUnsynchronised() bool { return false }
