package extract_test

import (
	"io/fs"
	"syscall"
)

func inode(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Ino) }
