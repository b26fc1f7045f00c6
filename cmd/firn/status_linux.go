package main

import (
	"os"
	"syscall"
)

// statusSignals are those at which a run says how far it is.
var statusSignals = []os.Signal{syscall.SIGUSR1}
