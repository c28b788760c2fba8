"""The shell side of nginx.py. Measured on 1.22: `nginx -t` and the reload both exit 0 for a configuration that never
becomes live; a refused reload starts no worker, an accepted one replaces them all.
"""

SCRIPT = r"""
title() { tr '\0' ' ' 2>/dev/null < "/proc/$1/cmdline"; }
tick() { sed 's/.*) //' /proc/self/stat | cut -d' ' -f20; } # now, on the clock of the processes' births (100 a second)
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# --- the master that runs DEST/nginx.conf: never another nginx of this machine, nor one in a container
is_master() {
  said=$(title "${1:-0}") || return 1
  case $said in "nginx: master process "*) ;; *) return 1 ;; esac
  if space=$(readlink "/proc/$1/ns/pid" 2>/dev/null); then [ "$space" = "$(readlink /proc/self/ns/pid)" ] || return 1; fi
  case "$said " in
    *" -c $DEST/nginx.conf "*) ;;
    *" -c"*) return 1 ;;
    *) [ "$("$NGINX" -V 2>&1 | sed -n 's/.*--conf-path=\([^ ]*\).*/\1/p')" = "$DEST/nginx.conf" ] ;;
  esac
}
master() { # by the pid file of the configuration, the usual one, or its command line
  file=$(sed -n 's/^[[:space:]]*pid[[:space:]]\{1,\}\([^;]*\);.*/\1/p' "$DEST/nginx.conf" 2>/dev/null | head -n 1)
  case $file in ''|/*) ;; *) file=$PREFIX/$file ;; esac
  for file in "$file" "$PREFIX/run/nginx.pid" "$PREFIX/var/run/nginx.pid"; do
    [ -f "$file" ] && read -r pid < "$file" && is_master "$pid" && echo "$pid" && return 0
  done
  for pid in $(grep -ls '^nginx: master process ' /proc/[0-9]*/cmdline 2>/dev/null | sed 's|[^0-9]||g'); do
    is_master "$pid" && echo "$pid" && return 0
  done
  return 1
}
workers() { # of the master $1, those that accept connections, as pid:birth
  cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) (.*) [A-Za-z] \([0-9]*\) /\1 \2 /p' |
    awk -v boss="$1" '$2 == boss { print $1, $20 }' | while read -r pid since; do
      case $(title "$pid") in *"is shutting down"*) ;; "nginx: worker process"*) echo "$pid:$since" ;; esac
    done
}
line_up() { tr '\n' ' ' | sed 's/ $//'; }
remember() { # release $1, and who was proven to have it
  read -r boot < /proc/sys/kernel/random/boot_id
  put_loaded "$1" "$boot" "$(workers "$2" | head -n 64 | line_up)" || { echo "cannot write $ROOT/loaded" >&2; return 1; }
}
run_nginx() { "$NGINX" ${PREFIX:+-p "$PREFIX/"} "$@"; }

# --- before
service_check() {
  [ -f "$1/nginx.conf" ] || { echo "nginx.conf is missing from the release" >&2; return 1; }
  said=$(in_private "$1" "$NGINX" ${PREFIX:+-p "$PREFIX/"} -t -q -c "$DEST/nginx.conf" 2>&1); rc=$?
  if [ $rc = 99 ]; then check_in_place "$1"; rc=$?; fi
  [ $rc = 0 ] || printf '%s\n' "$said" | sed "s|$DEST/||g; s|$1/||g; s/^nginx: \[[a-z]*\] //" | grep -v ' test failed$' >&2
  return $rc
}
check_in_place() { # without the right to hide it: absolute includes would read the live files, and pass what is broken
  found=$(absolute_includes "$1")
  if [ -z "$found" ]; then said=$(run_nginx -t -q -c "$1/nginx.conf" 2>&1); return; fi
  if [ "$(readlink -f "$ROOT/good")" != "$(readlink -f "$1")" ]; then
    said="$found: an absolute include reads the live files; write it relative"; return 1
  fi
  # the way back must not depend on how it is written: check a copy that includes itself
  copy=$(mktemp -d) && chmod 755 "$copy" && cp -R "$1/." "$copy" || { said="cannot copy the release: $copy"; return 1; }
  find "$copy" -type f -exec sed -i "s|$DEST/|$copy/|g" {} +
  said=$(run_nginx -t -q -c "$copy/nginx.conf" 2>&1); rc=$?
  rm -rf "$copy"
  return $rc
}
absolute_includes() { # file:line of the first one
  ( cd "$1" && find . -type f ! -name .manifest | sort | while read -r file; do
    awk -v dest="$DEST/" -v live="$ROOT/" -v file="${file#./}" '
      { sub(/(^|[ \t;{}])#.*/, " "); n = split($0, word, /[ \t;{}]+/)
        for (i = 1; i <= n; i++) if (word[i] != "") {
          sub(/^["\047]/, "", word[i])
          if (last == "include" && (index(word[i], dest) == 1 || index(word[i], live) == 1)) { print file ":" NR; exit }
          last = word[i] } }' "$file"
  done | head -n 1 )
}

# --- the process
service_running() { master >/dev/null; }
refusal() { # what the log says since: the master's own [emerg]; a bind that fails is tried again for a while
  tail -c +$((size + 1)) "$log" 2>/dev/null | grep -F "[emerg] $1#" > "$ROOT/said.tmp" 2>/dev/null || return 1
  said=$(grep -v 'still could not bind' "$ROOT/said.tmp" | tail -n 1)
  case $said in *"] $1#$1: bind() to "*) grep -q 'still could not bind' "$ROOT/said.tmp" ;; esac
}
"""
