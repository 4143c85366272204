package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // Windows has no zones of this kind, and a small Linux may have none
)

// Hours are the times of a week at which an operator may use the machine, by the clock on the wall: where clocks are
// put back, an hour comes twice.
type Hours struct {
	// Zone is the name of the zone as it is written; empty is the machine's own.
	Zone string
	// Windows are the times; one of them is enough.
	Windows []Window

	location *time.Location
}

// Window is a span of some days. One whose end is not after its beginning goes on past midnight: it belongs to the
// day on which it begins.
type Window struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day; to is the first that is outside
	text     string
}

const dayMinutes = 24 * 60

// Contain tells whether a moment is within the hours.
func (h *Hours) Contain(moment time.Time) bool {
	local := moment.In(h.zone())
	today, minute := int(local.Weekday()), local.Hour()*60+local.Minute()
	yesterday := (today + 6) % 7
	for _, w := range h.Windows {
		overnight := w.to <= w.from
		switch {
		case !overnight && w.days[today] && minute >= w.from && minute < w.to,
			overnight && w.days[today] && minute >= w.from,
			overnight && w.days[yesterday] && minute < w.to:
			return true
		}
	}
	return false
}

func (h *Hours) zone() *time.Location {
	if h.location == nil {
		return time.Local
	}
	return h.location
}

// String is the hours as people say them.
func (h *Hours) String() string {
	texts := make([]string, len(h.Windows))
	for i, w := range h.Windows {
		texts[i] = w.text
	}
	zone := h.Zone
	if zone == "" {
		zone = "the machine's own time"
	}
	return strings.Join(texts, ", ") + " (" + zone + ")"
}

// clock is a moment by the clock that the hours go by.
func (h *Hours) clock(moment time.Time) string { return moment.In(h.zone()).Format("Mon 15:04") }

func parseZone(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if name == "" || name == "Local" || err != nil {
		return nil, fmt.Errorf("%.100q is no time zone; write one as Europe/Zurich or UTC, or leave timeZone out for the machine's own", name)
	}
	return location, nil
}

// errWindow is the remedy for a window that is not understood.
var errWindow = errors.New("write days and times, as Mon-Fri 08:00-18:00, Sat,Sun 22:00-04:00 (past midnight) or daily 00:00-24:00")

// parseWindow reads "DAYS FROM-TO".
func parseWindow(text string) (Window, error) {
	w := Window{text: text}
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return w, errWindow
	}
	from, to, found := strings.Cut(fields[1], "-")
	if !found || !w.parseDays(fields[0]) {
		return w, errWindow
	}
	var okFrom, okTo bool
	w.from, okFrom = parseTime(from)
	w.to, okTo = parseTime(to)
	switch {
	case !okFrom || !okTo || w.from == dayMinutes:
		return w, errWindow
	case w.from == w.to:
		return w, errors.New("it ends where it begins; a whole day is 00:00-24:00")
	}
	return w, nil
}

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (w *Window) parseDays(text string) bool {
	if strings.EqualFold(text, "daily") {
		w.days = [7]bool{true, true, true, true, true, true, true}
		return true
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, span := strings.Cut(part, "-")
		if !span {
			last = first
		}
		from, ok := parseDay(first)
		to, okTo := parseDay(last)
		if !ok || !okTo {
			return false
		}
		for day := from; ; day = (day + 1) % 7 {
			w.days[day] = true
			if day == to {
				break
			}
		}
	}
	return true
}

func parseDay(text string) (int, bool) {
	for i, name := range weekdays {
		if strings.EqualFold(text, name) {
			return i, true
		}
	}
	return 0, false
}

// parseTime reads HH:MM, up to 24:00, as minutes of the day.
func parseTime(text string) (int, bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	hour, minute := int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	total := hour*60 + minute
	return total, minute < 60 && total <= dayMinutes
}
