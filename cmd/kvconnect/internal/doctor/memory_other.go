//go:build !linux

package doctor

// memoryLimitBytes is not known here.
func memoryLimitBytes() (limit int64, isLimited bool) { return 0, false }
