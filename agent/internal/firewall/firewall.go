package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Format is a kind of firewall.
type Format string

// The formats.
const (
	NFT       Format = "nft"
	IPTables  Format = "iptables"
	UFW       Format = "ufw"
	FirewallD Format = "firewalld"
	Netsh     Format = "netsh"
)

// Formats lists them all.
func Formats() []Format { return []Format{NFT, IPTables, UFW, FirewallD, Netsh} }

// Names are the formats, for messages.
func Names() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// maxFrom is how many sources a rule has at most.
const maxFrom = 100

// Rule is what is to be let in.
type Rule struct {
	// Port is the TCP port.
	Port uint16
	// From are the addresses that operators come from.
	From []netip.Prefix
}

// ParseFrom reads networks and single addresses. An error says what to write instead.
func ParseFrom(texts []string) ([]netip.Prefix, error) {
	if len(texts) == 0 {
		return nil, errors.New("say where operators come from: --from 10.0.0.0/24, or --from with one address; the operator's administrator knows")
	}
	if len(texts) > maxFrom {
		return nil, fmt.Errorf("%d sources are more than %d; name the networks that they are in", len(texts), maxFrom)
	}
	var all []netip.Prefix
	for _, text := range texts {
		p, err := parse(text)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all, nil
}

func parse(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("--from %q is no network and no address; write it as 10.0.0.0/24, 10.0.0.5 or fd00::/64 (a rule takes no names)", text)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("--from %q has bits behind its mask; write %s for the network, or %s for the one address", text, p.Masked(), p.Addr())
	}
	return p, nil
}

// Everybody says whether the rule lets in whoever comes.
func (r Rule) Everybody() bool {
	return slices.ContainsFunc(r.From, func(p netip.Prefix) bool { return p.Bits() == 0 })
}

// Lines writes the rule as commands, one a line. Most firewalls need one for each IP version or each source.
func (r Rule) Lines(f Format) ([]string, error) {
	four, six := r.family(netip.Addr.Is4), r.family(netip.Addr.Is6)
	var lines []string
	add := func(from []string, format string, args ...any) {
		if len(from) > 0 {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	switch f {
	case NFT:
		const rule = `nft 'add rule inet filter input %s saddr { %s } tcp dport %d accept comment "Mantle Tentacle"'`
		add(four, rule, "ip", strings.Join(four, ", "), r.Port)
		add(six, rule, "ip6", strings.Join(six, ", "), r.Port)
	case IPTables:
		const rule = `%s -I INPUT -p tcp -s %s --dport %d -m comment --comment "Mantle Tentacle" -j ACCEPT`
		add(four, rule, "iptables", strings.Join(four, ","), r.Port)
		add(six, rule, "ip6tables", strings.Join(six, ","), r.Port)
	case UFW:
		for _, p := range r.From {
			lines = append(lines, fmt.Sprintf("ufw allow proto tcp from %s to any port %d comment 'Mantle Tentacle'", p, r.Port))
		}
	case FirewallD:
		for _, p := range r.From {
			lines = append(lines, fmt.Sprintf(`firewall-cmd --permanent --add-rich-rule='rule family="%s" source address="%s" port port="%d" protocol="tcp" accept'`, family(p), p, r.Port))
		}
		lines = append(lines, "firewall-cmd --reload")
	case Netsh:
		add(append(four, six...), `netsh advfirewall firewall add rule name="Mantle Tentacle" dir=in action=allow protocol=TCP localport=%d remoteip=%s`,
			r.Port, strings.Join(append(four, six...), ","))
	default:
		return nil, fmt.Errorf("--format %q is unknown; write one of %s", f, Names())
	}
	return lines, nil
}

func (r Rule) family(is func(netip.Addr) bool) []string {
	var all []string
	for _, p := range r.From {
		if is(p.Addr()) {
			all = append(all, p.String())
		}
	}
	return all
}

func family(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "ipv4"
	}
	return "ipv6"
}
