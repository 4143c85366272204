package controllers_test

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// systemReaches are the ways that need a system whose sockets are known.
func systemReaches() []reach {
	var open func()
	return []reach{{name: "dropped", reason: v1alpha1.ReasonConnectTimedOut, remedy: "allow the operator to connect to this port in the firewall", health: v1alpha1.HealthUnavailable,
		breaks: func(t *testing.T, m *fakeMachine) {
			m.Stop()
			open = drop(t, m.Endpoint().Address)
		},
		mends: func(_ *testing.T, _ *world, m *fakeMachine) {
			open()
			m.Listen()
		}}}
}

// drop makes a port that answers no connection, as one behind a firewall that drops: its queue is full and nobody takes
// from it. The function that is returned ends that.
func drop(t *testing.T, address string) (open func()) {
	t.Helper()
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	var filling []net.Conn
	for failed := 0; failed < 3; { // one alone may have been slow
		c, err := (&net.Dialer{Timeout: 300 * time.Millisecond}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			failed++
			continue
		}
		failed = 0
		filling = append(filling, c)
		if len(filling) > 100 {
			t.Fatal("the port's queue does not become full")
		}
	}
	return func() {
		for _, c := range filling {
			_ = c.Close()
		}
		_ = syscall.Close(fd)
	}
}
