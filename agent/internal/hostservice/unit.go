package hostservice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// userCapabilities are what a daemon that is not root's needs to run scripts as other users, and to end them.
const userCapabilities = "CAP_SETUID CAP_SETGID CAP_KILL"

// Unit is the systemd unit for o. The same options make the same text. It fails where a path or the user
// cannot be written into a unit.
func Unit(o Options) (string, error) {
	if err := o.check(); err != nil {
		return "", err
	}
	codes := make([]string, len(o.NoRestart))
	for i, code := range slices.Sorted(slices.Values(o.NoRestart)) {
		codes[i] = strconv.Itoa(code)
	}
	account := ""
	if o.User != "" {
		account = fmt.Sprintf(`User=%s
# To run scripts as the user that settings and steps name, and to end them. There is no CapabilityBoundingSet,
# as it would hold for sudo in scripts, too.
AmbientCapabilities=%s
`, o.User, userCapabilities)
	}
	return fmt.Sprintf(`# The daemon of Mantle's Tentacle, as 'tentacle service install' writes it. Put changes into a drop-in, which
# stays when this file is written anew: systemctl edit %[1]s
[Unit]
Description=%[2]s
Documentation=https://github.com/mantledeploy/mantle/blob/main/agent/README.md
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=%[3]s run --home %[4]s
ExecReload=/bin/kill -HUP $MAINPID
%[5]sRestart=always
RestartSec=3
# After these exit codes somebody has to act first; the log says what to do.
RestartPreventExitStatus=%[6]s
TimeoutStopSec=30

# Scripts outlive the daemon: it is ended alone, and is not judged by what they do.
KillMode=process
OOMPolicy=continue
OOMScoreAdjust=-500
TasksMax=infinity

# What is forbidden here is forbidden to every script, as it inherits the daemon's confinement: ProtectSystem,
# ProtectHome, NoNewPrivileges and the like would break deployments. Files in /tmp are for others to see, too.
PrivateTmp=no

[Install]
WantedBy=multi-user.target

[X-Tentacle]
Executable=%[7]s
Home=%[8]s
User=%[9]s
`, Name, description, quote(o.Executable), strings.ReplaceAll(quote(o.Home), "$", "$$"), account, strings.Join(codes, " "), o.Executable, o.Home, o.User), nil
}

// quote writes a word of a command line so that systemd takes it as it is. A dollar sign means a variable in
// all words but the first, and is to be doubled in those.
func quote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(word) + `"`
}

// readUnit returns what a unit was made of. It is not ok for a unit that Unit did not make.
func readUnit(text string) (o Options, ok bool) {
	_, section, ok := strings.Cut(text, "\n[X-Tentacle]\n")
	if !ok {
		return o, false
	}
	for line := range strings.Lines(section) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch key {
		case "Executable":
			o.Executable = value
		case "Home":
			o.Home = value
		case "User":
			o.User = value
		}
	}
	return o, o.check() == nil
}
