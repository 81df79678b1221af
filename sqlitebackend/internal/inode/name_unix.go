//go:build unix

package inode

// #cgo CFLAGS: -D_GNU_SOURCE
// #cgo noescape kv_leads_to
// #cgo nocallback kv_leads_to
// #include <fcntl.h>
// #include <stdint.h>
// #include <sys/stat.h>
// #ifdef STATX_INO
// #include <sys/sysmacros.h>
//
// // Whoever asks for the times of a file, as stat does, makes the next write to it note a new
// // one, however soon it comes (Linux 6.13 and later). A write that is synced takes half as
// // long again then.
// static int kv_leads_to(const char *name, uint64_t device, uint64_t number) {
//   struct statx found;
//   return statx(AT_FDCWD, name, AT_STATX_DONT_SYNC, STATX_INO, &found) == 0 && (found.stx_mask & STATX_INO) &&
//          makedev(found.stx_dev_major, found.stx_dev_minor) == device && found.stx_ino == number;
// }
// #else
// static int kv_leads_to(const char *name, uint64_t device, uint64_t number) {
//   struct stat found;
//   return stat(name, &found) == 0 && (uint64_t)found.st_dev == device &&
//          (uint64_t)found.st_ino == number;
// }
// #endif
import "C"

import (
	"io/fs"
	"syscall"
	"unsafe"
)

// Name is a path and what was found there. It is safe for concurrent use.
type Name struct {
	path           []byte // with a zero byte at the end; nil if nothing is known of what was found
	device, number C.uint64_t
}

// NameOf is for an absolute path and what the package os has found there.
func NameOf(path string, found fs.FileInfo) Name {
	status, known := found.Sys().(*syscall.Stat_t)
	if !known {
		return Name{}
	}
	return Name{path: append([]byte(path), 0), device: C.uint64_t(status.Dev), number: C.uint64_t(status.Ino)}
}

// Leads reports true if the path leads to the same file. If not, or if that cannot be told,
// it reports false.
func (n *Name) Leads() bool {
	if n.path == nil {
		return false
	}
	return C.kv_leads_to((*C.char)(unsafe.Pointer(unsafe.SliceData(n.path))), n.device, n.number) != 0
}
