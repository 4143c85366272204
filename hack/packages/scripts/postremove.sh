#!/bin/sh
# After the files went. Debian says "remove" and later "purge", or "upgrade"; RPM says how many versions stay.
set -e

home=/var/lib/tentacle

case "$1" in
remove | purge | 0) ;;
*) exit 0 ;;
esac

[ ! -d /run/systemd/system ] || systemctl daemon-reload

if [ -d "$home/.tentacle" ]; then
	echo "tentacle: scripts that run go on. $home stays, with the machine's key and what is deployed;"
	echo "tentacle: remove it by hand if the machine is to forget who it was."
fi
