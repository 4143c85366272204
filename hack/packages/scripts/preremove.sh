#!/bin/sh
# Before the files go. Debian says "remove", or "upgrade"; RPM says how many versions stay: 0 is a removal.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;; # an upgrade: the daemon that runs goes on until the new one is there
esac

if [ -d /run/systemd/system ]; then
	# The daemon alone: the unit says that scripts are not ended with it.
	systemctl disable --now tentacle.service || echo "tentacle: the service could not be ended; see: systemctl status tentacle" >&2
else
	echo "tentacle: a daemon that runs is not ended, as systemd does not run here."
fi
