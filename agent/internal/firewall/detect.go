package firewall

import (
	"bufio"
	"bytes"
	"io/fs"
	"strings"
)

// Detect says which firewall a machine seems to have, and by what that is told. goos is its system, root its file
// system. ok is false where nothing tells: the format is a guess then, or empty where there is none to guess.
func Detect(goos string, root fs.FS) (f Format, why string, ok bool) {
	switch goos {
	case "windows":
		return Netsh, "Windows has its own firewall", true
	case "linux":
	default:
		return "", "", false
	}
	if data, err := fs.ReadFile(root, "etc/ufw/ufw.conf"); err == nil && enabled(data) {
		return UFW, "ufw is enabled (/etc/ufw/ufw.conf)", true
	}
	for _, path := range []string{"run/firewalld", "var/run/firewalld.pid"} {
		if _, err := fs.Stat(root, path); err == nil {
			return FirewallD, "firewalld runs (/" + path + ")", true
		}
	}
	for _, tool := range []struct {
		format Format
		name   string
	}{{NFT, "nft"}, {IPTables, "iptables"}} {
		for _, dir := range []string{"usr/sbin/", "sbin/", "usr/bin/"} {
			if _, err := fs.Stat(root, dir+tool.name); err == nil {
				return tool.format, "/" + dir + tool.name + " is there", true
			}
		}
	}
	return NFT, "no firewall was found on this machine", false
}

// enabled reads the one setting of ufw.conf that matters.
func enabled(data []byte) bool {
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		name, value, _ := strings.Cut(strings.TrimSpace(s.Text()), "=")
		if name == "ENABLED" {
			return strings.EqualFold(strings.Trim(value, `"' `), "yes")
		}
	}
	return false
}
