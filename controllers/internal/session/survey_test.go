package session

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestWhatAMachineSaysOfItselfIsReadAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  survey
	}{
		"linux": {
			[]string{"motd: n system Plan9", "n system Linux", "n machine x86_64", "n version 9.2.4285", "n home /etc/octopus/my home", "n engine /etc/octopus/my home/Files/mantle-engines/" + digest},
			survey{os: "linux", arch: "amd64", version: "9.2.4285", home: "/etc/octopus/my home", raw: "Linux on x86_64",
				engines: map[string]string{digest: "/etc/octopus/my home/Files/mantle-engines/" + digest}},
		},
		"windows": {
			[]string{"n system Windows", "n machine ARM64", "n version ", `n home C:\Octopus`, `n engine C:\Octopus\Files\mantle-engines\` + digest + ".exe"},
			survey{os: "windows", arch: "arm64", home: `C:\Octopus`, raw: "Windows on ARM64",
				engines: map[string]string{digest: `C:\Octopus\Files\mantle-engines\` + digest + ".exe"}},
		},
		"a system without an engine": {[]string{"n system SunOS", "n machine sparc"}, survey{raw: "SunOS on sparc", engines: map[string]string{}}},
		"hostile": {
			[]string{"m system Linux", "n system Li\x00nux", "n home " + strings.Repeat("x", 5000), "n engine /bin/sh", "n", "", "n  "},
			survey{engines: map[string]string{}},
		},
	} {
		if diff := cmp.Diff(c.want, readSurvey("n", c.lines), cmp.AllowUnexported(survey{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
