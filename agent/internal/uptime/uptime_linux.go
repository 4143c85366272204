package uptime

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Boot names this run of the machine. It is empty if the system does not tell.
func Boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// Now reads the clock. It goes on while the machine sleeps.
func Now() Reading {
	boot := Boot()
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); boot == "" || err != nil {
		return Reading{}
	}
	return Reading{Boot: boot, Up: time.Duration(t.Nano())}
}
