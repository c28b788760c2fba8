# HAProxy; why it looks as it does: phrasebook.py. Given: DEST, ROOT, PREFIX; HAPROXY (program), FILES (its -f,
# relative to DEST, split at spaces), MAIN (the first of them), UNIT (of systemd).

ours() { # PID: a haproxy on DEST's files, never another one of this machine
  argv=$(words "$1") || return 1
  case $(printf '%s\n' "$argv" | head -n 1) in haproxy|*/haproxy) ;; *) return 1 ;; esac
  printf '%s\n' "$argv" | grep -qxF -e "$DEST/$MAIN" && ! printf '%s\n' "$argv" | grep -qx -e -c
}
boss() { # the one whose parent is no haproxy; found by its name, too: in the middle of an exec it has no command line
  for one in $({ grep -lF -e "$DEST/$MAIN" /proc/[0-9]*/cmdline; grep -lx haproxy /proc/[0-9]*/comm; } 2>/dev/null |
    cut -d/ -f3 | sort -un); do
    ours "$one" && from=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$one/status" 2>/dev/null) || continue
    [ "$(cat "/proc/$from/comm" 2>/dev/null)" = haproxy ] || { echo "$one"; return 0; }
  done
  return 1
}
told() { listed "$1" environ | sed -n "s/^HAPROXY_$2=//p"; } # MASTER NAME
reloads() { told "$1" PROCESSES | tr '|' '\n' | sed -n 's/^type=m;.*;reloads=\([0-9]*\);.*/\1/p'; }
serving() { # MASTER: its children that accept connections
  for one in $(children "$1"); do [ -z "$(listening "$one")" ] || ! ours "$one" || echo "$one"; done
}
remember() {
  printf '%s %s %s %s\n' "$1" "$2" "$(started "$2" || echo 0)" "$(imprint)" > "$ROOT/loaded.tmp" &&
    mv -f "$ROOT/loaded.tmp" "$ROOT/loaded"
}
says() { # what the service manager heard from it last
  [ -n "$PREFIX" ] || [ ! -d /run/systemd/system ] || journalctl -u "$UNIT" -n 20 -o cat 2>/dev/null | grep -F ALERT |
    tail -n 1
}

service_check() {
  [ -f "$1/$MAIN" ] || { echo "$MAIN is missing from the release" >&2; return 1; }
  if master=$(boss) && set=$(listed "$master" environ) && ! printf '%s\n' "$set" | grep -qx HAPROXY_MWORKER=1; then
    echo "haproxy runs without a master process, so no reload of it can be proven: start it with -W or -Ws" >&2
    return 1
  fi
  for jail in $(cat "$1/$MAIN" | sed -n 's/^[[:space:]]*chroot[[:space:]]\{1,\}\([^[:space:]#]*\).*/\1/p'); do
    [ -d "$jail" ] || { echo "chroot $jail: no such directory; haproxy would die of it" >&2; return 1; }
  done
  ! way_back || return 0 # what it does not load it refuses, and the old worker serves on
  dir=$1; set --
  for file in $FILES; do set -- "$@" -f "@/$file"; done
  said=$(as_if_live "$dir" "$HAPROXY" -c "$@") && return 0
  alerts=$(printf '%s\n' "$said" | grep -F ALERT)
  printf '%s\n' "${alerts:-$said}" | plainly "$dir" | head -n 8 >&2
  return 1
}
service_running() { boss >/dev/null; }
# MASTER, in time: SIGUSR2 is lost on one that still loads, and ends one whose exec is younger than its handlers
settle() {
  until [ "$(told "$1" MWORKER_WAIT_ONLY)" = 1 ] && hears "$1" 12 || ! in_time; do pause; done
}
service_reload() {
  master=$(boss) && since=$(started "$master") || { echo "no haproxy runs with $DEST/$MAIN" >&2; return 1; }
  limit 5; settle "$master"
  until was=$(reloads "$master") && [ -n "$was" ]; do
    alive "$master" "$since" && in_time || { echo "haproxy $master does not tell its generation" >&2; return 1; }
    pause
  done
  old=" $(serving "$master" | tr '\n' ' ')" failed=0
  hears "$master" 12 || { echo "haproxy $master catches no SIGUSR2: nothing was sent" >&2; return 1; }
  kill -USR2 "$master" || return 1
  limit 12
  while alive "$master" "$since" && in_time; do # what cannot be read of it between two execs is not known yet
    now=$(reloads "$master") fresh='' back=0
    for one in $(serving "$master"); do case $old in *" $one "*) back=1 ;; *) fresh=$one ;; esac; done
    if [ "${now:-0}" -gt "$was" ]; then # it has read the files since the signal, which came after they were switched
      [ -z "$fresh" ] || [ $back = 1 ] || { settle "$master"; remember "$1" "$fresh"; return 0; }
      if [ -z "$fresh" ] && [ "$(told "$master" MWORKER_WAIT_ONLY)" = 1 ]; then # it gave up; the old worker comes back
        failed=$((failed + 1)); [ $failed -lt 3 ] || [ $back = 0 ] ||
          { echo "haproxy started no worker with it (a port that is taken, a path that cannot be opened?);" \
              "the old worker serves on $(says)" >&2; return 1; }
      fi
    fi
    pause
  done
  rm -f "$ROOT/loaded"
  if alive "$master" "$since"; then echo "haproxy did not take it, and nothing accepts connections $(says)" >&2
  else echo "haproxy died of the reload $(says)" >&2; fi
  return 1
}
service_start() {
  service_running && { service_reload "$1"; return; }
  rm -f "$ROOT/loaded"
  if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then
    systemctl reset-failed "$UNIT" 2>/dev/null; systemctl start "$UNIT" || return 1
  else
    release=$1; set --
    for file in $FILES; do set -- "$@" -f "$DEST/$file"; done
    "$HAPROXY" -W -D "$@" -p "$PREFIX/run/haproxy.pid" -S "$PREFIX/run/haproxy-master.sock" > "$ROOT/start.out" 2>&1 ||
      { grep -F ALERT "$ROOT/start.out" | plainly "$DEST" >&2; return 1; }
    set -- "$release"
  fi
  limit 12
  while in_time; do
    master=$(boss) && one=$(serving "$master" | head -n 1) && [ -n "$one" ] && { remember "$1" "$one"; return 0; }
    pause
  done
  echo "haproxy did not come up $(says)" >&2
  return 1
}
service_loaded() { # the same worker has what was proven; another one was started from what lies on disk
  read -r release pid since print < "$ROOT/loaded" && master=$(boss) || return 1
  now=$(serving "$master")
  case " $(printf '%s' "$now" | tr '\n' ' ') " in
    *" $pid "*) [ "$(started "$pid")" = "$since" ] && echo "$release" ;;
    *[0-9]*) untouched "$release" "$print" && echo "$release" ;;
  esac
}
service_adopted() { master=$(boss) && one=$(serving "$master" | head -n 1) || one=; remember "$1" "${one:-0}"; }
service_change() { # a new worker reads everything; what the master alone reads is on its command line
  if grep -rqsE '^[[:space:]]*cache[[:space:]]' "$1/"; then
    echo "cold: each worker has a cache of its own"
  else
    echo reload
  fi
}
service_restart() {
  ! service_running || startable || return 1
  if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then
    systemctl reset-failed "$UNIT" 2>/dev/null; systemctl stop "$UNIT"
  fi
  for signal in USR1 TERM KILL; do # what is being answered has 3 s
    master=$(boss) || break
    kids=$(children "$master")
    kill -$signal "$master"; [ $signal != KILL ] || kill -KILL $kids
    tries=0
    while ours "$master" && [ $tries -lt 30 ]; do tries=$((tries + 1)); pause; done
  done 2>/dev/null
  service_start "$1"
}
service_revive() { service_restart "$1"; } # a master that ignores its signals
