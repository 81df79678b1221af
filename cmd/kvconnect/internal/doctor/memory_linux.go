package doctor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryLimitBytes gives the smallest limit of the control groups (version 2) that this
// process is in.
func memoryLimitBytes() (limit int64, isLimited bool) {
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	_, group, found := strings.Cut(strings.TrimSpace(string(membership)), "0::")
	if !found {
		return 0, false
	}
	return smallestLimit("/sys/fs/cgroup", group)
}

// smallestLimit looks at a group and at those that it is part of.
func smallestLimit(root, group string) (limit int64, isLimited bool) {
	for group = filepath.Clean("/" + group); ; group = filepath.Dir(group) {
		text, err := os.ReadFile(filepath.Join(root, group, "memory.max")) //nolint:gosec // the kernel names the group
		if err == nil {
			n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil && (!isLimited || n < limit) { // "max" is no limit
				limit, isLimited = n, true
			}
		}
		if group == "/" {
			return limit, isLimited
		}
	}
}
