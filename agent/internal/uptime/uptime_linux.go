package uptime

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Now reads the clock. It goes on while the machine sleeps.
func Now() Reading {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Reading{}
	}
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return Reading{}
	}
	return Reading{Boot: strings.TrimSpace(string(id)), Up: time.Duration(t.Nano())}
}
