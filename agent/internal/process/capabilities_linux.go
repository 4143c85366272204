package process

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// withoutCapabilities calls f, which starts a process, so that the process inherits no capability: the
// system passes on what is inheritable and ambient, and the second cannot be without the first. What is
// permitted and effective is lost by itself to whoever is not root when a program is begun, and is needed
// until then to change the user. It is done to one thread, which ends with f.
func withoutCapabilities(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never back
		if err := dropInheritable(); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

func dropInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	if err == nil && (data[0].Inheritable != 0 || data[1].Inheritable != 0) {
		data[0].Inheritable, data[1].Inheritable = 0, 0
		err = unix.Capset(&header, &data[0])
	}
	if err != nil {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	return nil
}

// privileges says whether this process may start others as any account, and signal them.
func privileges() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("asking for capabilities: %w", err)
	}
	var missing []string
	for _, c := range []struct {
		name string
		bit  int
	}{{"CAP_SETUID", unix.CAP_SETUID}, {"CAP_SETGID", unix.CAP_SETGID}, {"CAP_KILL", unix.CAP_KILL}} {
		if data[0].Effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w %v", ErrPrivilege, missing)
	}
	return nil
}
