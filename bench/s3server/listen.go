//go:build unix

package main

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// maxDescriptors is how far listening looks; a server that has just started
// has a few dozen descriptors.
const maxDescriptors = 1024

// listening gives the addresses on which this process listens. The gateway
// takes port 0 but does not say which port it was given.
func listening() map[netip.AddrPort]bool {
	addrs := map[netip.AddrPort]bool{}
	for fd := range maxDescriptors {
		accepts, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
		if err != nil || accepts == 0 {
			continue
		}
		name, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		switch a := name.(type) {
		case *syscall.SockaddrInet4:
			addrs[netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))] = true
		case *syscall.SockaddrInet6:
			addrs[netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))] = true
		}
	}
	return addrs
}

// gatewayAddr gives the one address on which the process listens and that is
// not among others.
func gatewayAddr(others ...net.Addr) (netip.AddrPort, error) {
	addrs := listening()
	for _, o := range others {
		delete(addrs, o.(*net.TCPAddr).AddrPort())
	}
	if len(addrs) != 1 {
		return netip.AddrPort{}, fmt.Errorf("finding the gateway's address: %d listeners instead of one", len(addrs))
	}
	for a := range addrs {
		return a, nil
	}
	panic("unreachable")
}
