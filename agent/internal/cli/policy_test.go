//go:build unix

package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPolicyCheckSaysWhatIsAllowedOrWhatIsWrong(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "new.yaml")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = "operators:\n  " + sha1a + ":\n    hours: {allow: [Mon-Fri 08:00-18:00]}\n    requireEngine: true\n    users: [deploy]\n"
	write(file, good)
	contains(t, r.must("policy", "check", file), "Operator "+sha1a, "Mon-Fri 08:00-18:00", "as user  deploy", "Every other operator\n  may do nothing",
		"code of somebody's choosing", "there is no Tentacle")
	r.must("init")
	contains(t, r.must("policy", "check", file), "On this machine it is advisory: scripts run as the daemon's own user")
	missing := filepath.Join(t.TempDir(), "gone")
	write(file, "operators: {\"*\": {requireEngine: true, folders: ["+filepath.Dir(missing)+", "+missing+"]}}")
	if out := r.must("policy", "check", file); strings.Count(out, "There is no folder ") != 1 || !strings.Contains(out, "There is no folder "+missing+" (folders) on this machine") {
		t.Errorf("folders that are not there: %s", out)
	}

	write(file, "operators:\n  \"*\":\n    maxScript: 1\n    users: [deploy]\n")
	exit, out, stderr := r.call("policy", "check", file)
	if exit != ExitConfig || out != "" {
		t.Errorf("exit code %d: %s", exit, out)
	}
	contains(t, stderr, file+": line 3: operators.*.maxScript: is no known key; remove it, or correct it to one of: hours,", "line 4: operators.*.users: holds only with requireEngine: true", "2 errors")
	if exit, _, stderr := r.call("policy", "check", file+".not"); exit != ExitUsage {
		t.Errorf("exit code %d: %s", exit, stderr)
	}
}

func TestShowTellsThePolicyInForce(t *testing.T) {
	r := newRig(t)
	r.must("init", "--trust", sha1a)
	contains(t, r.must("show"), "none: trusted operators may do what")
	place := filepath.Join(r.home, ".tentacle", "policy.yaml")
	put := func(content string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(place+".new", []byte(content), 0o600), os.Rename(place+".new", place)); err != nil {
			t.Fatal(err)
		}
	}
	put("operators: {\"*\": {maxScripts: 3}}")
	contains(t, r.must("show"), "advisory: ", "The policy in force:", "3 at most")
	if s := r.show(); s.Policy != "advisory" || s.PolicyProblem != "" {
		t.Errorf("%+v", s)
	}
	put("operators: {\"*\": {maxScript: 3}}")
	contains(t, r.must("show"), "nobody may run or transfer anything", "line 1: operators.*.maxScript: is no known key")
	if s := r.show(); s.PolicyProblem == "" {
		t.Errorf("%+v", s)
	}
}
