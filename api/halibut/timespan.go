package halibut

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// TimeSpan is a duration on the wire: a string in .NET's invariant "c" format, [-][d.]hh:mm:ss[.fffffff]
// (halibut.md section 3.4). It is written in steps of 100 ns. Values beyond what a time.Duration holds (some
// 292 years) are read as the nearest that it does.
type TimeSpan time.Duration

// Duration returns t as the standard library has it.
func (t TimeSpan) Duration() time.Duration { return time.Duration(t) }

const (
	tick = 100 * time.Nanosecond
	day  = 24 * time.Hour
)

// String returns the "c" format.
func (t TimeSpan) String() string {
	var b strings.Builder
	ticks := int64(t) / int64(tick)
	if ticks < 0 {
		b.WriteByte('-')
		ticks = -ticks
	}
	seconds, fraction := ticks/int64(time.Second/tick), ticks%int64(time.Second/tick)
	if days := seconds / int64(day/time.Second); days > 0 {
		fmt.Fprintf(&b, "%d.", days)
	}
	fmt.Fprintf(&b, "%02d:%02d:%02d", seconds/3600%24, seconds/60%60, seconds%60)
	if fraction > 0 {
		fmt.Fprintf(&b, ".%07d", fraction)
	}
	return b.String()
}

// ParseTimeSpan reads the "c" format, as .NET writes and reads it: hours below 24, minutes and seconds below
// 60, at most seven digits of fraction, and no more than 10675199.02:48:05.4775807 in all.
func ParseTimeSpan(s string) (TimeSpan, error) {
	bad := fmt.Errorf("TimeSpan %.60q is not of the form [-][d.]hh:mm:ss[.fffffff]", s)
	rest, negative := strings.CutPrefix(s, "-")
	parts := strings.Split(rest, ":")
	if len(parts) != 3 {
		return 0, bad
	}
	days, hours, hasDays := strings.Cut(parts[0], ".")
	if !hasDays {
		days, hours = "0", parts[0]
	}
	seconds, fraction, hasFraction := strings.Cut(parts[2], ".")
	d, ok1 := digits(days, 8, math.MaxInt32)
	h, ok2 := digits(hours, 2, 23)
	m, ok3 := digits(parts[1], 2, 59)
	sec, ok4 := digits(seconds, 2, 59)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return 0, bad
	}
	var ticks int64
	if hasFraction {
		f, ok := digits(fraction, 7, math.MaxInt32)
		if !ok {
			return 0, bad
		}
		for range 7 - len(fraction) {
			f *= 10
		}
		ticks = f
	}
	span, ok := spanOf(((d*24+h)*60+m)*60+sec, ticks)
	switch {
	case !ok:
		return 0, bad
	case negative:
		return -span, nil
	}
	return span, nil
}

// spanOf is false for more than .NET's own type holds.
func spanOf(seconds, ticks int64) (TimeSpan, bool) {
	const perSecond, most = int64(time.Second / tick), math.MaxInt64 / int64(tick)
	if limit := math.MaxInt64 / perSecond; seconds > limit || seconds == limit && ticks > math.MaxInt64%perSecond {
		return 0, false
	}
	return TimeSpan(min(seconds*perSecond+ticks, most) * int64(tick)), true
}

func digits(s string, maxLen int, limit int64) (int64, bool) {
	if s == "" || len(s) > maxLen || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n <= limit
}
