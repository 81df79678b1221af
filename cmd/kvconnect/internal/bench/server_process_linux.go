package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// findProcess gives the process that listens at a URL, if it runs on this machine and
// this user may see its files.
func findProcess(ctx context.Context, u *url.URL) (pid int, ok bool) {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return 0, false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	for _, address := range addresses {
		address = address.Unmap()
		if !isOurs(address) {
			continue
		}
		tables := []string{"/proc/net/tcp", "/proc/net/tcp6"}
		if address.Is6() {
			tables = tables[1:] // a socket of IPv4 hears nothing of it
		}
		var both strings.Builder
		for _, table := range tables {
			if data, err := os.ReadFile(table); err == nil {
				both.Write(data)
			}
		}
		if inode, ok := listenerInode(both.String(), address, port); ok {
			return ownerOf(inode)
		}
	}
	return 0, false
}

// isOurs tells whether an address is one of this machine.
func isOurs(address netip.Addr) bool {
	if address.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, one := range own {
		prefix, err := netip.ParsePrefix(one.String())
		if err == nil && prefix.Addr().WithZone("") == address.WithZone("") {
			return true
		}
	}
	return false
}

// listenerInode looks in a table such as /proc/net/tcp for the socket that listens on
// a port, at the address or else at all.
func listenerInode(table string, address netip.Addr, port string) (inode string, ok bool) {
	const (
		localField, stateField, inodeField = 1, 3, 9
		listening                          = "0A"
	)
	for line := range strings.Lines(table) {
		columns := strings.Fields(line)
		if len(columns) <= inodeField || columns[stateField] != listening {
			continue
		}
		local, valid := parseSocketAddress(columns[localField])
		switch {
		case !valid || strconv.Itoa(int(local.Port())) != port:
		case local.Addr() == address:
			return columns[inodeField], true
		case local.Addr().IsUnspecified() && !ok:
			inode, ok = columns[inodeField], true
		}
	}
	return inode, ok
}

// parseSocketAddress reads an address as the kernel prints it: words of four bytes,
// in the byte order of the machine, and the port, all in hexadecimal.
func parseSocketAddress(text string) (netip.AddrPort, bool) {
	host, portText, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(portText, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for word := raw; len(word) >= 4; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	address, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address.Unmap(), uint16(port)), ok
}

// ownerOf gives a process that has a socket open.
func ownerOf(inode string) (pid int, ok bool) {
	files, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, false
	}
	for _, file := range files {
		if target, err := os.Readlink(file); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(file, "/")[2])
		return pid, err == nil
	}
	return 0, false
}

// tick is the unit of the times in /proc, on every architecture of Linux.
const tick = 10 * time.Millisecond

// processCPU gives the CPU that a process has used with all its threads, those that
// have ended included.
func processCPU(pid int) (time.Duration, bool) {
	if pid <= 0 {
		return 0, false
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	return parseProcessCPU(data)
}

func parseProcessCPU(stat []byte) (time.Duration, bool) {
	// The second field is the name in parentheses, which may hold anything.
	end := bytes.LastIndexByte(stat, ')')
	columns := strings.Fields(string(stat[end+1:]))
	const userField, systemField = 11, 12 // after the name
	if end < 0 || len(columns) <= systemField {
		return 0, false
	}
	user, userErr := strconv.ParseInt(columns[userField], 10, 64)
	system, systemErr := strconv.ParseInt(columns[systemField], 10, 64)
	return time.Duration(user+system) * tick, userErr == nil && systemErr == nil
}
