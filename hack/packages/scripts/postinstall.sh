#!/bin/sh
# After the files are there. Debian says "configure" and the version before, if there was one; RPM says how many
# versions there are then: 1 is new, 2 an upgrade.
set -e

home=/var/lib/tentacle

case "$1" in
configure) [ -z "$2" ] && new=yes || new= ;;
1) new=yes ;;
2) new= ;;
*) exit 0 ;;
esac

running=
[ ! -d /run/systemd/system ] || running=yes
[ -z "$running" ] || systemctl daemon-reload

if [ -z "$new" ]; then
	if [ -n "$running" ]; then
		# Only if it ran. Scripts go on, and the new daemon finds them.
		systemctl try-restart tentacle.service || echo "tentacle: the daemon did not start again; see: journalctl -u tentacle" >&2
	else
		echo "tentacle: a daemon that runs is still the one before; start it again, scripts go on meanwhile."
	fi
elif [ ! -d "$home/.tentacle" ]; then
	echo "tentacle: this machine obeys nobody yet. Next, with the thumbprint that the operator's administrator gives you:"
	echo "  tentacle init --trust THUMBPRINT"
	echo "  tentacle service install --start"
elif [ -n "$running" ]; then
	echo "tentacle: $home is there from before. To run it again: tentacle service install --start"
fi
