#!/bin/sh
# The disk of a test host: Debian with systemd, nginx and sshd. Prints its folder. What it needs is installed first.
# Needs root and a Debian.
set -eu
# shellcheck disable=SC2034
what="hosts that boot systemd"
# shellcheck source=tests/debian.sh
. "$(dirname "$0")/../debian.sh"
need systemd-nspawn:systemd-container debootstrap:debootstrap ip:iproute2 setpriv:util-linux ssh:openssh-client
archive
tree systemd systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,nginx-light,curl,cron,iproute2,procps,sudo
