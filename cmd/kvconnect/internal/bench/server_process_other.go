//go:build !linux

package bench

import (
	"context"
	"net/url"
	"time"
)

// findProcess gives the process that listens at a URL, where that can be found out.
func findProcess(context.Context, *url.URL) (pid int, ok bool) { return 0, false }

// processCPU gives the CPU that a process has used, where that can be found out.
func processCPU(int) (time.Duration, bool) { return 0, false }

// processMemory gives the resident memory of a process in bytes, where that can be found out.
func processMemory(int) (int64, bool) { return 0, false }

// processOpenFiles gives how many files a process may have open, where that can be found out.
func processOpenFiles(int) fileLimit { return fileLimit{} }
