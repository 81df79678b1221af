//go:build !unix

package inode

import "io/fs"

// Name is a path and what was found there.
type Name struct{}

// NameOf is for an absolute path and what the package os has found there.
func NameOf(string, fs.FileInfo) Name { return Name{} }

// Leads reports false, for it cannot be told here.
func (*Name) Leads() bool { return false }
