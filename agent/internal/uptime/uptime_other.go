//go:build !linux

package uptime

import (
	"strconv"
	"time"
)

var began = time.Now() //nolint:gochecknoglobals // a clock begins once

// Now reads the clock, which is that of this process: a later one knows nothing of it.
func Now() Reading {
	return Reading{Boot: "process " + strconv.FormatInt(began.UnixNano(), 36), Up: time.Since(began)}
}
