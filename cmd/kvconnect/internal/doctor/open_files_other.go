//go:build !unix

package doctor

// openFilesLimit is not known here.
func openFilesLimit() (files uint64, known bool) { return 0, false }
