//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd

package main

import "os"

// statusSignals: there are none.
var statusSignals []os.Signal
