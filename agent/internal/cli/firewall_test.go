package cli

import (
	"strings"
	"testing"
)

func TestTheFirewallRuleIsForTheConfiguredPort(t *testing.T) {
	r := newRig(t)
	r.must("init", "--listen", ":10940")
	exit, out, stderr := r.call("firewall", "--from", "10.0.0.0/24", "--from", "fd00::7", "--format", "iptables")
	if exit != ExitOK || strings.Count(out, "\n") != 2 {
		t.Errorf("exit code %d, %q", exit, out)
	}
	contains(t, out, "-s 10.0.0.0/24 --dport 10940", "ip6tables", "fd00::7/128")
	contains(t, stderr, "next boot")
	if _, _, stderr := r.call("firewall", "--from", "0.0.0.0/0", "--format", "ufw"); !strings.Contains(stderr, "everybody") {
		t.Errorf("of everybody it says %q", stderr)
	}
	r.env["TENTACLE_LISTEN"] = "127.0.0.1:10940"
	if _, _, stderr := r.call("firewall", "--from", "10.0.0.1", "--format", "netsh"); !strings.Contains(stderr, "nobody outside reaches") {
		t.Errorf("of loopback it says %q", stderr)
	}
	for _, args := range [][]string{{}, {"--from", "web-1"}, {"--from", "10.0.0.1", "--format", "pf"}} {
		if exit, out, stderr := r.call(append([]string{"firewall"}, args...)...); exit != ExitUsage || out != "" || stderr == "" {
			t.Errorf("%v: exit code %d, %q", args, exit, out)
		}
	}
}
