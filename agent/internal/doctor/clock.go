package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// drift is how far the clock of the hardware may be from the system's.
const drift = time.Minute

// lookAtClock looks for signs of a wrong clock: log, audit and the policy's hours go by it, Halibut does not.
func lookAtClock(_ context.Context, m Machine) []Finding {
	const remedy = "set the clock and let a service keep it (systemd-timesyncd, chrony, w32time)"
	zone, _ := m.Now.Zone()
	when := m.Now.Format(time.RFC3339) + " " + zone
	if m.Identity != nil && m.Now.Before(m.Identity.Certificate.Leaf.NotBefore) {
		return bad(Fail, remedy, "it is %s, before the machine's certificate was made (%s)", when, m.Identity.Certificate.Leaf.NotBefore.Format(time.RFC3339))
	}
	if hardware, ok := hardwareClock(m.Root); ok && m.Now.Sub(hardware).Abs() > drift {
		return bad(Warn, remedy, "it is %s, and %s by the hardware's clock", when, hardware.UTC().Format(time.RFC3339))
	}
	if known, synchronised := synchronisedClock(); known && !synchronised {
		return bad(Warn, remedy, "it is %s, but nothing keeps the clock right", when)
	}
	return well("it is %s; hours in a policy are of this time zone", when)
}

// hardwareClock is the time of the battery's clock, on a Linux that has one that runs in UTC.
func hardwareClock(root string) (time.Time, bool) {
	data, err := os.ReadFile(filepath.Join(root, "sys/class/rtc/rtc0/since_epoch"))
	if err != nil {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return time.Unix(seconds, 0), err == nil && seconds > 0
}
