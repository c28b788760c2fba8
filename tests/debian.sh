# shellcheck shell=sh
# Trees of Debian for tests/systemd and tests/bare, made once from where this machine's apt gets its own packages.
# Sourced; `what` says what cannot be made when something fails.

# shellcheck disable=SC2154
fail() { echo "error: cannot make $what: $1" >&2; exit 1; }

need() { # COMMAND:PACKAGE ...: what is not here is installed
  [ "$(id -u)" = 0 ] || fail "only root can; run it as root"
  command -v apt-get >/dev/null || fail "apt-get is not here, and they are made of Debian's packages"
  missing=
  for pair in "$@"; do
    command -v "${pair%:*}" >/dev/null || missing="$missing ${pair#*:}"
  done
  # shellcheck disable=SC2086
  [ -z "$missing" ] || { { apt-get install -y -q --no-install-recommends $missing ||
    { apt-get update -q && apt-get install -y -q --no-install-recommends $missing; }; } >&2; }
}

archive() { # sets mirror and suite: the first archive of this machine's apt that has the whole of a release
  # shellcheck disable=SC2016
  found=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
    awk '$3 == "main" && $2 !~ /-/ { print $1, $2; exit }')
  [ -n "$found" ] || fail "this machine's apt knows no archive of a Debian release"
  mirror=${found% *} suite=${found#* }
}

tree() { # FOLDER PACKAGES: prints a tree of `suite` with PACKAGES below the cache folder, made when it is not there yet
  cache=${DEPLOY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/deployer}/$1
  base=$cache/$suite-$(echo "$2" | cksum | cut -d' ' -f1)
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if [ ! -d "$base" ]; then
    rm -rf "$base.new"
    debootstrap --variant=minbase --include="$2" "$suite" "$base.new" "$mirror" >&2 ||
      fail "debootstrap failed; its log is $base.new/debootstrap/debootstrap.log"
    rm -rf "$base.new"/var/cache/apt/* "$base.new"/var/lib/apt/lists/* "$base.new"/usr/share/doc \
      "$base.new"/usr/share/man "$base.new"/usr/share/locale "$base.new"/etc/ssh/ssh_host_*
    mv "$base.new" "$base"
  fi
  echo "$base"
}
