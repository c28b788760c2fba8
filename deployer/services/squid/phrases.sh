# Squid; why it looks as it does: phrasebook.py. Given: DEST, ROOT, PREFIX; SQUID (program), UNIT (of systemd).

ours() { # PID: the master of a squid on DEST/squid.conf; no kid, none of its short-lived commands
  argv=$(words "$1") || return 1
  case $(printf '%s\n' "$argv" | head -n 1) in squid|*/squid) ;; *) return 1 ;; esac
  ! printf '%s\n' "$argv" | grep -qxE -e '-k.*|-z' || return 1
  printf '%s\n' "$argv" | grep -qxF -e "$DEST/squid.conf" && return 0
  # its default
  [ -z "$PREFIX" ] && [ "$DEST" = /etc/squid ] && ! printf '%s\n' "$argv" | grep -qxE -e '-[A-Za-z]*[fn].*'
}
boss() {
  for one in $(grep -l squid /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3); do
    ours "$one" && echo "$one" && return 0
  done
  return 1
}
kids() { # of MASTER; squid -N is its own
  echo "$1"; for one in $(children "$1"); do case $(words "$one" | head -n 1) in "(squid-"*) echo "$one" ;; esac; done
}
sockets() { listening $(kids "$1"); }
inodes() { sockets "$1" | cut -d' ' -f1 | tr '\n' ','; }
remember() {
  printf '%s %s %s %s %s\n' "$1" "$2" "$(started "$2" || echo 0)" "print:$(imprint)" "$(inodes "$2")" \
    > "$ROOT/loaded.tmp" &&
    mv -f "$ROOT/loaded.tmp" "$ROOT/loaded"
}
ports() { # of the live files, as the kernel writes them
  "$SQUID" -k parse -f "$DEST/squid.conf" 2>&1 |
    sed -n 's/.*| Processing: https\{0,1\}_port[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' |
    sed 's/.*://' | grep -x '[0-9]*' | while read -r port; do printf '%04X\n' "$port"; done
}
lacks() { # MASTER PORTS: the first port on which it does not listen
  open=" $(sockets "$1" | sed 's/.*://' | tr '\n' ' ')"
  for port in $2; do case $open in *" $port "*) ;; *) printf '%d\n' "0x$port"; return 0 ;; esac; done
  return 1
}

service_check() {
  [ -f "$1/squid.conf" ] || { echo "squid.conf is missing from the release" >&2; return 1; }
  said=$(as_if_live "$1" "$SQUID" -k parse -f @/squid.conf); rc=$?
  untold $rc && return 0 # the running process reads it without the tool
  wrong=$(printf '%s\n' "$said" | grep -E 'FATAL|unrecognized|ACL not found|Can not open file|aclParseAccessLine') || {
    [ $rc != 0 ] || return 0; wrong=$said
  }
  printf '%s\n' "$wrong" | sed 's/^[0-9/]* [0-9:]*[^|]*| //' | plainly "$1" | head -n 8 >&2
  return 1
}
service_running() { boss >/dev/null; }
service_reload() {
  master=$(boss) || { echo "no squid runs with $DEST/squid.conf" >&2; return 1; }
  was=$(cut -d' ' -f1 "$ROOT/loaded" 2>/dev/null)
  if [ -n "$was" ] && [ -d "$ROOT/releases/$was" ]; then # a reload would pass its proof, and leave half of it out
    costs=$(service_change "$ROOT/releases/$was" "$ROOT/releases/$1")
    case $costs in restart*) echo "not reloaded: it needs a $costs" >&2; return 1 ;; esac
  fi
  rm -f "$ROOT/loaded"
  want=$(ports) since=$(started "$master") settled=0
  limit 5
  # closed: another reload, or a kid that is being replaced
  until old=$(inodes "$master") && [ -n "$old" ] || ! in_time; do
    pause
    alive "$master" "$since" || { service_start "$1"; return; }
  done
  old=,$old,
  until hears "$master" 1 || ! in_time; do pause; done
  hears "$master" 1 && kill -HUP "$master" || {
    echo "squid $master catches no SIGHUP: nothing was sent" >&2; return 1
  }
  limit 12
  while in_time; do
    alive "$master" "$since" || { echo "squid died of the reload" >&2; return 1; }
    now=$(inodes "$master") kept=0
    for one in $(printf '%s' "$now" | tr ',' ' '); do case $old in *,"$one",*) kept=1 ;; esac; done
    if [ -n "$now" ] && [ $kept = 0 ]; then
      missing=$(lacks "$master" "$want") || { remember "$1" "$master"; return 0; }
      settled=$((settled + 1)); [ $settled -lt 15 ] || {
        echo "squid serves without port $missing: is it taken?" >&2; return 1
      }
    fi
    pause
  done
  echo "squid did not open its ports again after the reload" >&2
  return 1
}
# a pid file that names no squid: a killed one left it, and Squid refuses to start while any process has that number
forget() {
  file=$("$SQUID" -k parse -f "$DEST/squid.conf" 2>&1 |
    sed -n 's/.*| Processing: pid_filename[[:space:]]*//p' | tail -n 1)
  pid=$(cat "${file:=/run/squid.pid}" 2>/dev/null) || return 0
  case $pid in ''|*[!0-9]*) return 0 ;; esac # no pid file at all, whatever the configuration calls one
  case $(words "$pid" | head -n 1) in squid|*/squid|"(squid"*) ;; *) rm -f "$file" ;; esac
}
service_start() {
  service_running && { service_reload "$1"; return; }
  rm -f "$ROOT/loaded"
  if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then
    systemctl reset-failed "$UNIT" 2>/dev/null; systemctl start "$UNIT" || return 1
  else # a cache_dir must have been made before
    forget
    { ! "$SQUID" -k parse -f "$DEST/squid.conf" 2>&1 | grep -q '| Processing: cache_dir' ||
      "$SQUID" -z --foreground -f "$DEST/squid.conf"; } > "$ROOT/start.out" 2>&1
    "$SQUID" -f "$DEST/squid.conf" >> "$ROOT/start.out" 2>&1 || {
      grep -E 'FATAL|ERROR' "$ROOT/start.out" | tail -n 3 >&2; return 1
    }
  fi
  want=$(ports) missing=''
  limit 12
  while in_time; do
    master=$(boss) && [ -n "$(inodes "$master")" ] &&
      { missing=$(lacks "$master" "$want") || { remember "$1" "$master"; return 0; }; }
    pause
  done
  echo "squid did not come up${missing:+ on port $missing}" >&2
  return 1
}
# the same process with the same sockets has what was proven; what reloaded since read what lies on disk
service_loaded() {
  read -r release pid since open < "$ROOT/loaded" && master=$(boss) && now=$(inodes "$master") && [ -n "$now" ] ||
    return 1
  print=; case $open in print:*) print=${open%% *} open=${open#"$print"} open=${open# } print=${print#print:} ;; esac
  if [ "$pid $since $open" = "$master $(started "$master") $now" ]; then echo "$release"
  elif untouched "$release" "$print"; then echo "$release"; fi
}
service_adopted() { master=$(boss) || master=0; remember "$1" "$master"; }
service_restart() { # TERM alone would wait 30 s with closed ports (shutdown_lifetime); INT ends what is being answered
  ! service_running || startable || return 1
  for signal in TERM INT KILL; do
    master=$(boss) || break
    all=$(kids "$master")
    if [ $signal = KILL ]; then kill -KILL $all; else kill -$signal "$master"; fi
    tries=0 most=60; [ $signal != TERM ] || most=10
    while ours "$master" && [ $tries -lt $most ]; do tries=$((tries + 1)); pause; done
  done 2>/dev/null
  service_start "$1"
}
service_revive() { service_restart "$1"; }
