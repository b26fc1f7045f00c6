package walk

import "golang.org/x/sys/unix"

// blocksTellHoles reports whether fd is on a file system known to count in st_blocks all that is not a hole. Others count
// compressed sizes (ZFS, bcachefs), count late, or pass on what another system says.
func blocksTellHoles(fd int) bool {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return false
	}
	switch uint32(fs.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}
