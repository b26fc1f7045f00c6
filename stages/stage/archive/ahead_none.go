//go:build !linux

package archive

// Ahead does nothing where package unix has no posix_fadvise(2).
func (osFile) Ahead() {}
