package harness

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"syscall"
	"testing"
)

// Port is an address, host:port, on which nothing listens, until t ends: no other process is given that
// port meanwhile, and a server of t may listen there.
func Port(t testing.TB) string {
	t.Helper()
	address, release, err := holdPort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// holdPort binds a socket that does not listen. On Linux, others may listen on its port if they allow it
// to be used again, as servers do; elsewhere it is closed at once, and the port is free to anybody.
func holdPort() (address string, release func(), err error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return "", nil, fmt.Errorf("making a socket: %w", err)
	}
	release = func() { _ = syscall.Close(fd) }
	loopback := [4]byte{127, 0, 0, 1}
	err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1), syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback}))
	name, named := syscall.Getsockname(fd)
	if err = errors.Join(err, named); err != nil {
		release()
		return "", nil, fmt.Errorf("taking a port: %w", err)
	}
	if runtime.GOOS != "linux" {
		release()
		release = func() {}
	}
	return net.JoinHostPort(net.IP(loopback[:]).String(), strconv.Itoa(name.(*syscall.SockaddrInet4).Port)), release, nil
}
