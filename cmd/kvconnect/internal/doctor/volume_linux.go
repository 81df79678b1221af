package doctor

import (
	"fmt"
	"math"
	"syscall"
)

// readOnlyMount is ST_RDONLY of statfs(2).
const readOnlyMount = 1

// volumeOf asks the kernel.
func volumeOf(folder string) (v volume, known bool) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(folder, &stat); err != nil {
		return volume{}, false
	}
	// Magic numbers have 32 bits, and a sign on some machines.
	v.name, v.kind = fileSystem(uint32(stat.Type)) //nolint:gosec // see above
	v.readOnly = stat.Flags&readOnlyMount != 0
	blockBytes := uint64(max(stat.Bsize, 1))
	v.freeBytes = int64(min(stat.Bavail, math.MaxInt64/blockBytes) * blockBytes) //nolint:gosec // bounded in the line
	v.files, v.freeFiles = stat.Files, stat.Ffree
	return v, true
}

// fileSystem names a file system by the number that statfs(2) lists for it.
func fileSystem(magic uint32) (name string, kind volumeKind) {
	switch magic {
	case 0x0000ef53:
		return "ext4", local // or ext2, or ext3
	case 0x58465342:
		return "xfs", local
	case 0x9123683e:
		return "btrfs", local
	case 0x2fc12fc1:
		return "zfs", local
	case 0xf2f52010:
		return "f2fs", local
	case 0x00006969:
		return "nfs", remote
	case 0xff534d42, 0xfe534d42, 0x0000517b:
		return "cifs", remote
	case 0x65735546:
		return "fuse", remote
	case 0x01021997:
		return "9p", remote
	case 0x00c36400:
		return "ceph", remote
	case 0x0bd00bd0:
		return "lustre", remote
	case 0x5346414f, 0x6b414653:
		return "afs", remote
	case 0x786f4256:
		return "vboxsf", remote
	case 0x01021994:
		return "tmpfs", inMemory
	case 0x858458f6:
		return "ramfs", inMemory
	case 0x794c7630:
		return "overlay", layered
	default:
		return fmt.Sprintf("of the kind %#x", magic), local
	}
}
