#!/bin/sh
# The disk of a test host: Debian with systemd, nginx and sshd, made once from where this machine's apt gets its own
# packages. Prints its folder. What it needs is installed first. Needs root and a Debian.
set -eu
packages=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,nginx-light,curl,cron,iproute2,procps,sudo
fail() { echo "error: cannot make hosts that boot systemd: $1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "only root can boot them; run it as root"
command -v apt-get >/dev/null || fail "apt-get is not here, and they are made of Debian's packages"
missing=
for pair in systemd-nspawn:systemd-container debootstrap:debootstrap ip:iproute2 setpriv:util-linux \
  ssh:openssh-client; do
  command -v "${pair%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
# shellcheck disable=SC2086
[ -z "$missing" ] || { { apt-get install -y -q --no-install-recommends $missing ||
  { apt-get update -q && apt-get install -y -q --no-install-recommends $missing; }; } >&2; }

# the first archive that has the whole of a release, with its name
# shellcheck disable=SC2016
archive=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
  awk '$3 == "main" && $2 !~ /-/ { print $1, $2; exit }')
[ -n "$archive" ] || fail "this machine's apt knows no archive of a Debian release"
mirror=${archive% *} suite=${archive#* }
cache=${DEPLOY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/deployer}/systemd
base=$cache/$suite-$(echo "$packages" | cksum | cut -d' ' -f1)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -d "$base" ]; then
  rm -rf "$base.new"
  debootstrap --variant=minbase --include="$packages" "$suite" "$base.new" "$mirror" >&2 ||
    fail "debootstrap failed; its log is $base.new/debootstrap/debootstrap.log"
  rm -rf "$base.new"/var/cache/apt/* "$base.new"/var/lib/apt/lists/* "$base.new"/usr/share/doc \
    "$base.new"/usr/share/man "$base.new"/usr/share/locale "$base.new"/etc/ssh/ssh_host_*
  mv "$base.new" "$base"
fi
echo "$base"
