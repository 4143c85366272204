package policy

import (
	"testing"
	"time"
)

func TestHoursContain(t *testing.T) {
	// 2026-11-23 is a Monday. Zurich is an hour ahead of UTC then; clocks go back on 2026-10-25 at 03:00, forth on 2026-03-29 at 02:00.
	tests := []struct {
		zone, window, moment string
		want                 bool
	}{
		{"UTC", "Mon-Fri 08:00-18:00", "2026-11-23T08:00:00Z", true},
		{"UTC", "Mon-Fri 08:00-18:00", "2026-11-23T07:59:59Z", false},
		{"UTC", "Mon-Fri 08:00-18:00", "2026-11-23T17:59:59Z", true},
		{"UTC", "Mon-Fri 08:00-18:00", "2026-11-23T18:00:00Z", false},
		{"UTC", "Mon-Fri 08:00-18:00", "2026-11-28T12:00:00Z", false},
		{"UTC", "Fri-Mon 08:00-18:00", "2026-11-29T12:00:00Z", true},
		{"UTC", "Fri-Mon 08:00-18:00", "2026-11-25T12:00:00Z", false},
		{"UTC", "Tue,thu 00:00-24:00", "2026-11-26T23:59:59Z", true},
		{"UTC", "Tue,Thu 00:00-24:00", "2026-11-27T00:00:00Z", false},
		{"UTC", "daily 12:00-13:00", "2026-11-29T12:30:00Z", true},
		{"UTC", "Sat 22:00-04:00", "2026-11-28T22:00:00Z", true},
		{"UTC", "Sat 22:00-04:00", "2026-11-29T03:59:59Z", true},
		{"UTC", "Sat 22:00-04:00", "2026-11-29T04:00:00Z", false},
		{"UTC", "Sat 22:00-04:00", "2026-11-28T03:00:00Z", false},
		{"UTC", "Sat 22:00-04:00", "2026-11-29T22:30:00Z", false},
		{"UTC", "Sat 22:00-00:00", "2026-11-28T23:59:59Z", true},
		{"UTC", "Sat 22:00-00:00", "2026-11-29T00:00:00Z", false},
		{"Europe/Zurich", "Mon 08:00-18:00", "2026-11-23T07:00:00Z", true},
		{"Europe/Zurich", "Mon 00:00-01:00", "2026-11-22T23:30:00Z", true},
		{"America/New_York", "Sun 18:00-19:00", "2026-11-22T23:30:00Z", true},
		{"Europe/Zurich", "Sun 02:00-03:00", "2026-10-25T00:30:00Z", true}, // the hour that comes twice
		{"Europe/Zurich", "Sun 02:00-03:00", "2026-10-25T01:30:00Z", true},
		{"Europe/Zurich", "Sun 02:00-03:00", "2026-10-25T02:30:00Z", false},
		{"Europe/Zurich", "Sun 02:00-03:00", "2026-03-29T01:00:00Z", false}, // the hour that is left out
	}
	for _, tt := range tests {
		zone, err := parseZone(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		w, err := parseWindow(tt.window)
		if err != nil {
			t.Fatal(err)
		}
		moment, err := time.Parse(time.RFC3339, tt.moment)
		if err != nil {
			t.Fatal(err)
		}
		h := &Hours{Zone: tt.zone, Windows: []Window{w}, location: zone}
		if h.Contain(moment) != tt.want {
			t.Errorf("%s %s at %s (%s there): %v", tt.window, tt.zone, tt.moment, h.clock(moment), !tt.want)
		}
	}
}

func TestAnyWindowIsEnough(t *testing.T) {
	a, _ := parseWindow("Mon 08:00-09:00")
	b, _ := parseWindow("Mon 10:00-11:00")
	h := &Hours{Windows: []Window{a, b}, location: time.UTC}
	for hour, want := range map[int]bool{8: true, 9: false, 10: true, 11: false} {
		if h.Contain(time.Date(2026, 11, 23, hour, 0, 0, 0, time.UTC)) != want {
			t.Errorf("at %d: %v", hour, !want)
		}
	}
}

func TestWindowsThatAreRefused(t *testing.T) {
	for _, bad := range []string{"", "Mon", "08:00-18:00", "Mon 08:00", "Mon 8:00-18:00", "Mon 08:00-24:01", "Mon 08:60-09:00", "Mon 24:00-08:00",
		"Mon 08:00-08:00", "Moon 08:00-18:00", "Mon- 08:00-18:00", "Mon,,Tue 08:00-18:00", "Mon 08:00-18:00 UTC", "Mon +8:00-18:00", "Mon 08:00–18:00"} {
		if w, err := parseWindow(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, w)
		}
	}
	for _, bad := range []string{"", "Local", "CET+1", "Europe/Zürich", "../../etc/passwd"} {
		if _, err := parseZone(bad); err == nil {
			t.Errorf("%q is taken for a time zone", bad)
		}
	}
}
