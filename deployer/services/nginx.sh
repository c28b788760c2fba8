# shellcheck shell=sh disable=SC2154
# nginx, measured on 1.22: `nginx -t` and the reload both exit 0 for a configuration that never becomes live. A refused
# reload starts no worker, an accepted one replaces them all: the workers are the proof.
title() { tr '\0' ' ' 2>/dev/null < "/proc/$1/cmdline"; }
tick() { sed 's/.*) //' /proc/self/stat | cut -d' ' -f20; } # now, on the clock of the processes' births: 100 a second
run_nginx() { "$NGINX" ${PREFIX:+-p "$PREFIX/"} "$@"; }
plain() { sed "s|$DEST/||g; s|$1/||g; s/.*\[[a-z]*\] \([0-9]*#[0-9]*: \)\{0,1\}//" | grep -v ' test failed$'; }

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
master() { # by the pid file that the configuration names, the usual one, or its command line
  file=$(sed -n 's/^[[:space:]]*pid[[:space:]]\{1,\}\([^;]*\);.*/\1/p' "$DEST/nginx.conf" 2>/dev/null | head -n 1)
  case $file in ''|/*) ;; *) file=$PREFIX/$file ;; esac
  for file in "$file" "$PREFIX/run/nginx.pid" "$PREFIX/var/run/nginx.pid"; do
    [ -f "$file" ] && read -r pid < "$file" && is_master "$pid" && echo "$pid" && return 0
  done
  for pid in $(grep -ls '^nginx: master process ' /proc/[0-9]*/cmdline 2>/dev/null | tr -d -c '0-9\n'); do
    is_master "$pid" && echo "$pid" && return 0
  done
  return 1
}
born() { # pid:birth of the processes named, and of all children of the process $1, if they accept connections
  cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) (.*) [A-Za-z] \([0-9]*\) /\1 \2 /p' |
    awk -v boss="$1" '$2 == boss { print $1 ":" $20 }' | while IFS= read -r worker; do
      case $(title "${worker%:*}") in *"is shutting down"*) ;; "nginx: worker process"*) echo "$worker" ;; esac
    done
}
workers() { born "$1" | tr '\n' ' '; } # of the master $1, those that accept connections: pid:birth
remember() { # release, its workers: all of them, or as many as fit a line that needs no second block
  release=$1; shift
  while [ $# -gt 64 ]; do shift; done
  read -r boot < /proc/sys/kernel/random/boot_id
  put_loaded "$release" "$boot" "$@"
}

# --- before
service_check() {
  [ -f "$1/nginx.conf" ] || { echo "nginx.conf is missing from the release" >&2; return 1; }
  said=$(in_private "$1" "$NGINX" ${PREFIX:+-p "$PREFIX/"} -t -q -c "$DEST/nginx.conf" 2>&1); rc=$?
  [ $rc != 99 ] || { check_in_place "$1"; rc=$?; }
  [ $rc = 0 ] || printf '%s\n' "$said" | plain "$1" >&2
  return $rc
}
check_in_place() { # without the right to hide it: absolute includes would read the live files and pass what is broken
  found=$(absolute_include "$1")
  if [ -z "$found" ]; then said=$(run_nginx -t -q -c "$1/nginx.conf" 2>&1); return; fi
  if [ "$(readlink -f "$ROOT/good")" != "$(readlink -f "$1")" ]; then
    said="$found: an absolute include reads the live files; write it relative"; return 1
  fi
  # the way back must not hang on how it was written: check a copy that includes itself
  copy=$(mktemp -d) && chmod 755 "$copy" && cp -R "$1/." "$copy" || { said="cannot copy the release"; return 1; }
  find "$copy" -type f -exec sed -i "s|$DEST/|$copy/|g" {} +
  said=$(run_nginx -t -q -c "$copy/nginx.conf" 2>&1 | sed "s|$copy/||g"); rc=$?
  rm -rf "$copy"
  return $rc
}
absolute_include() { # path:line of the first include of a live file
  ( cd "$1" && find . -type f ! -name .manifest | sort | while IFS= read -r file; do
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
refused() { # sets why: the master's own [emerg] since the signal. A bind that fails is tried again for a while.
  lines=$(tail -c +$((size + 1)) "$log" 2>/dev/null | grep -F "[emerg] $boss#")
  why=$(printf '%s\n' "$lines" | grep -v 'still could not bind' | tail -n 1 | plain "$ROOT/current")
  case $lines in '') return 1 ;; *"still could not bind"*) return 0 ;; esac
  case $why in "bind() to "*) return 1 ;; esac
}
prove() { # prove RELEASE SINCE: only workers born at SINCE or later accept, and the same ones twice in a row
  seen=''
  uptime; end=$((up + 10))
  while uptime; [ "$up" -lt "$end" ]; do
    new='' old=''
    for worker in $(workers "$boss"); do
      if [ "${worker#*:}" -lt "$2" ]; then old=$worker; else case " $before" in *" $worker "*) old=$worker ;; *) new="$new $worker" ;; esac; fi
    done
    refused && return 1
    # shellcheck disable=SC2086
    if [ -n "$new" ] && [ -z "$old" ] && [ "$new" = "$seen" ]; then remember "$1" $new; return; fi
    seen=$new
    nap
  done
  [ -z "$old" ] || [ -z "$new" ] || { why="old workers still accept connections"; return 1; }
  [ -n "$why" ] || why=$(tail -c +$((size + 1)) "$log" 2>/dev/null | grep -E '\[(emerg|alert|crit)\]' | tail -n 1 | plain "$ROOT/current")
  if [ -n "$old" ]; then why=${why:-it started no new workers}; else why="no worker lives${why:+: $why}"; fi
  return 1
}
watch_log() { # what is written to the main error log from now on; it is the master's stderr too
  log=$(readlink "/proc/$boss/fd/2") && [ -f "$log" ] && size=$(wc -c < "$log") || { log=/dev/null; size=0; }
}
service_reload() {
  boss=$(master) || { echo "no nginx runs with $DEST/nginx.conf" >&2; return 1; }
  watch_log
  put_loaded - || return 1
  before=$(workers "$boss") since=$(tick)
  kill -HUP "$boss" || return 1
  prove "$1" "$since" && return 0
  echo "nginx kept its old configuration: $why" >&2
  return 1
}
orphans() { # workers that we proved once, whose master is dead: they hold the ports
  get_loaded || return 0
  read -r boot < /proc/sys/kernel/random/boot_id
  case $words in " $boot "*) ;; *) return 0 ;; esac
  for worker in ${words#" $boot "}; do
    [ "$(sed 's/.*) //' "/proc/${worker%:*}/stat" 2>/dev/null | cut -d' ' -f20)" = "${worker#*:}" ] || continue
    case $(title "${worker%:*}") in *"is shutting down"*) ;; "nginx: worker process"*) echo "${worker%:*}" ;; esac
  done
}
service_start() {
  if service_running; then service_reload "$1"; return; fi
  lost=$(orphans)
  # shellcheck disable=SC2086
  [ -z "$lost" ] || kill -QUIT $lost
  uptime; end=$((up + 5))
  while [ -n "$lost" ] && [ -n "$(orphans)" ] && uptime && [ "$up" -lt "$end" ]; do nap; done
  put_loaded - || return 1
  since=$(tick) before=''
  # its stderr is a file: one that lives on as the error log must not hold the pipe of whoever called us
  out=$ROOT/start.said; ( : > "$out" ) 2>/dev/null || out=/dev/null
  if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then systemctl reset-failed nginx 2>/dev/null; systemctl start nginx > "$out" 2>&1 </dev/null
  else run_nginx -c "$DEST/nginx.conf" > "$out" 2>&1 </dev/null; fi || {
    echo "nginx does not start: $(grep -v 'still could not bind' "$out" | grep -E 'emerg|alert|ailed' | tail -n 1 | plain "$ROOT/current")" >&2; return 1; }
  uptime; end=$((up + 5))
  until boss=$(master) || [ "$up" -ge "$end" ]; do nap; uptime; done
  [ -n "$boss" ] || { echo "nginx does not start: it left no master process" >&2; return 1; }
  watch_log
  prove "$1" "$since" && return 0
  echo "nginx does not start: $why" >&2
  return 1
}
# The workers that were proven still accept, all of them; or those that accept are younger than the link, so that what
# they read lies behind it (a reload or restart behind our back: certbot, a package, a person, a reboot).
service_loaded() {
  boss=$(master) || return 1
  now=$(workers "$boss")
  [ -n "$now" ] || return 1
  if get_loaded && [ "$proven" != - ]; then
    read -r boot < /proc/sys/kernel/random/boot_id
    strange=''
    for worker in $now; do case $words in " $boot "*" $worker "*) ;; *) strange=1 ;; esac; done
    [ -n "$strange" ] || { echo "$proven"; return 0; }
  fi
  moved=$(stat -c %Z "$ROOT/current") && tick=$(tick) || return 1
  age=$(($(date +%s) - moved - 2))
  for worker in $now; do [ $(((tick - ${worker#*:}) / 100)) -lt "$age" ] || return 1; done
  linked current
}
service_adopted() {
  boss=$(master) || return 1
  # shellcheck disable=SC2046
  remember "$1" $(workers "$boss")
}
