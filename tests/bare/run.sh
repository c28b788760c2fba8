#!/bin/sh
# Both commands of the README on a bare Debian, each in a fresh tree, as an ordinary user and as root; with words, only
# `script/test WORDS`. Prints the counts. Needs root and a Debian; debootstrap is installed when it is not here.
# BARE_SUITE, BARE_PYTHON: of another release (sid 3.14). BARE_USERS: "person root" or one of them.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck disable=SC2034
what="a bare Debian"
# shellcheck source=tests/debian.sh
. tests/debian.sh
need debootstrap:debootstrap unshare:util-linux
archive
suite=${BARE_SUITE:-$suite}
base=$(tree bare "git,ca-certificates,python${BARE_PYTHON:-3.11}")
cache=$(dirname "$base")
trap 'rm -rf "$cache/tree.$$"' EXIT
trap 'exit 130' INT TERM HUP

dress() { # how this machine reaches its package indexes: names, certificates, the clients' settings
  for path in etc/resolv.conf etc/hosts etc/pip.conf etc/xdg/pip etc/apt/apt.conf.d etc/apt/auth.conf.d \
    etc/ssl/certs usr/local/share/ca-certificates; do
    [ -e "/$path" ] || continue
    mkdir -p "$1/$(dirname "$path")"
    rm -rf "${1:?}/$path"
    cp -aL "/$path" "$1/$path" 2>/dev/null || :
  done
  rm -f "$1/etc/apt/apt.conf.d/docker-clean" # it deletes what was downloaded
}

settle() { # TREE USER: the project as it is here, in the home of USER
  chroot "$1" useradd --create-home --shell /bin/sh person
  home=/root
  [ "$2" = root ] || home=/home/$2
  mkdir "$1$home/deployer"
  git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'ls -d "$@" 2>/dev/null' sh |
    tar -cf - -T - | tar -xf - -C "$1$home/deployer" --no-same-owner
  chroot "$1" chown -R "$2" "$home/deployer"
}

inside() { # TREE USER COMMAND...: in namespaces of its own, with nothing of this machine's environment but what finds packages
  root=$1 user=$2
  shift 2
  for name in $(env | sed -nE 's/^((PIP_|SSL_CERT_)[A-Z_]*|[A-Za-z]+_(proxy|PROXY))=.*/\1/p' | grep -v FIND_LINKS); do
    eval "set -- \"$name=\$$name\" \"\$@\""
  done
  # a mount of its own, for df; and a shell that stays, for the first process has to bury those whose parents are gone
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child sh -c '
    root=$1 user=$2; shift 2
    mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" || exit 1
    chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups --reset-env \
      sh -c "cd && cd deployer && exec env \"\$@\"" sh "$@"; exit $?' sh "$root" "$user" "$@"
}

fresh() { # USER: a tree with the project in it
  rm -rf "$cache/tree.$$"
  cp -a "$base" "$cache/tree.$$"
  dress "$cache/tree.$$"
  settle "$cache/tree.$$" "$1"
}

one() { # USER NAME COMMAND...: its output goes to a log; what counts of it is printed
  name=$1 log=$cache/$1-$2.$$.log
  shift 2
  echo "== $suite, as $name: $*"
  code=0
  inside "$cache/tree.$$" "$name" "$@" >"$log" 2>&1 </dev/null || code=$?
  sed -nE '/^(FAILED|ERROR|error:|the demo failed|== done)/p' "$log"
  sed -n '/^=* not run here/,/^=.* in [0-9]/p' "$log"
  grep -E '^=+ .* in [0-9.]+s' "$log" || :
  echo "exit $code; all of it: $log"
  [ "$code" = 0 ] || worst=1
}

worst=0
for user in ${BARE_USERS:-person root}; do
  fresh "$user"
  [ $# -gt 0 ] || one "$user" demo script/demo
  one "$user" test script/test "$@"
done
exit $worst
