package firewall

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestTheRuleIsWrittenInTheWordsOfEveryFirewall(t *testing.T) {
	from, err := ParseFrom([]string{"10.0.0.0/24", "192.0.2.7", "fd00::/64", "10.0.0.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	rule := Rule{Port: 10940, From: from}
	for format, want := range map[Format][]string{
		NFT: {
			`nft 'add rule inet filter input ip saddr { 10.0.0.0/24, 192.0.2.7/32 } tcp dport 10940 accept comment "Mantle Tentacle"'`,
			`nft 'add rule inet filter input ip6 saddr { fd00::/64 } tcp dport 10940 accept comment "Mantle Tentacle"'`,
		},
		IPTables: {
			`iptables -I INPUT -p tcp -s 10.0.0.0/24,192.0.2.7/32 --dport 10940 -m comment --comment "Mantle Tentacle" -j ACCEPT`,
			`ip6tables -I INPUT -p tcp -s fd00::/64 --dport 10940 -m comment --comment "Mantle Tentacle" -j ACCEPT`,
		},
		UFW: {
			"ufw allow proto tcp from 10.0.0.0/24 to any port 10940 comment 'Mantle Tentacle'",
			"ufw allow proto tcp from 192.0.2.7/32 to any port 10940 comment 'Mantle Tentacle'",
			"ufw allow proto tcp from fd00::/64 to any port 10940 comment 'Mantle Tentacle'",
		},
		FirewallD: {
			`firewall-cmd --permanent --add-rich-rule='rule family="ipv4" source address="10.0.0.0/24" port port="10940" protocol="tcp" accept'`,
			`firewall-cmd --permanent --add-rich-rule='rule family="ipv4" source address="192.0.2.7/32" port port="10940" protocol="tcp" accept'`,
			`firewall-cmd --permanent --add-rich-rule='rule family="ipv6" source address="fd00::/64" port port="10940" protocol="tcp" accept'`,
			"firewall-cmd --reload",
		},
		Netsh: {
			`netsh advfirewall firewall add rule name="Mantle Tentacle" dir=in action=allow protocol=TCP localport=10940 remoteip=10.0.0.0/24,192.0.2.7/32,fd00::/64`,
		},
	} {
		got, err := rule.Lines(format)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	if _, err := rule.Lines("pf"); err == nil || !strings.Contains(err.Error(), "nft, iptables, ufw, firewalld, netsh") {
		t.Errorf("an unknown format: %v", err)
	}
	if lines, err := (Rule{Port: 1, From: from[2:]}).Lines(NFT); err != nil || len(lines) != 1 {
		t.Errorf("a version of IP that nobody asked for: %q, %v", lines, err)
	}
}

func TestWhereOperatorsComeFromIsCheckedBeforeItIsInAFirewall(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "is no network",
		"operator.example.com":  "takes no names",
		"10.0.0.5/24":           "write 10.0.0.0/24 for the network, or 10.0.0.5",
		"10.0.0.0/33":           "is no network",
		"fe80::1%eth0":          "is no network",
		"10.0.0.0/24; rm -rf /": "is no network",
		"10.0.0.0/24,10.1.0.0":  "is no network",
		"::ffff:10.0.0.0/100":   "is no network",
	} {
		if _, err := ParseFrom([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseFrom(nil); err == nil || !strings.Contains(err.Error(), "--from") {
		t.Errorf("nothing: %v", err)
	}
	if _, err := ParseFrom(make([]string, maxFrom+1)); err == nil {
		t.Error("a crowd is taken")
	}
	for text, everybody := range map[string]bool{"0.0.0.0/0": true, "::/0": true, "10.0.0.0/8": false} {
		from, err := ParseFrom([]string{text})
		if err != nil || (Rule{From: from}).Everybody() != everybody {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTheFirewallOfTheMachineIsFound(t *testing.T) {
	file := &fstest.MapFile{}
	for name, c := range map[string]struct {
		goos  string
		files fstest.MapFS
		want  Format
		ok    bool
	}{
		"Windows":        {"windows", nil, Netsh, true},
		"macOS":          {"darwin", nil, "", false},
		"Ubuntu":         {"linux", fstest.MapFS{"etc/ufw/ufw.conf": {Data: []byte("# x\nENABLED=yes\n")}, "usr/sbin/nft": file}, UFW, true},
		"ufw is off":     {"linux", fstest.MapFS{"etc/ufw/ufw.conf": {Data: []byte("ENABLED=no\n")}, "usr/sbin/nft": file}, NFT, true},
		"Red Hat":        {"linux", fstest.MapFS{"run/firewalld/x": file, "usr/sbin/nft": file}, FirewallD, true},
		"an older Linux": {"linux", fstest.MapFS{"sbin/iptables": file}, IPTables, true},
		"nothing":        {"linux", fstest.MapFS{}, NFT, false},
	} {
		if got, why, ok := Detect(c.goos, c.files); got != c.want || ok != c.ok {
			t.Errorf("%s: %s, %v (%s)", name, got, ok, why)
		}
	}
}
