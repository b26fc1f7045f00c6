//go:build unix

package main

import "golang.org/x/sys/unix"

// noCoreDumps keeps keys and credentials out of core files, of this process and of its children.
func noCoreDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, new(unix.Rlimit)); err != nil {
		return err
	}
	return undumpable()
}
