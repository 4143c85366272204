package main

import (
	"regexp"
	"strings"
	"time"
)

// version is a version as package managers order it: number, then ~prerelease before it and +metadata after it.
type version struct{ number, prerelease, metadata string }

var (
	// tagged is what `git describe` says at or after a tag: v1.2.3, v1.2.3-rc.1, v1.2.3-5-gabcdef0, each with -dirty.
	tagged = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)(?:-([0-9A-Za-z.]+?))??(?:-(\d+)-(g[0-9a-f]+))?(-dirty)?$`)
	unfit  = regexp.MustCompile(`[^0-9A-Za-z.]+`)
)

// parseVersion makes a version of what `git describe` says. What is after no tag is ordered by its time, and
// before every release.
func parseVersion(described string, at time.Time) version {
	m := tagged.FindStringSubmatch(described)
	if m == nil {
		return version{number: "0.0.0", prerelease: at.Format("20060102150405") + "." + strings.Trim(unfit.ReplaceAllString(described, "."), ".")}
	}
	v := version{number: m[1], prerelease: m[2]}
	var behind []string
	if m[3] != "" {
		behind = append(behind, m[3], m[4])
	}
	if m[5] != "" {
		behind = append(behind, "dirty")
	}
	v.metadata = strings.Join(behind, ".")
	return v
}
