# Apache httpd; why it looks as it does: phrasebook.py. Given: DEST, ROOT, PREFIX; APACHE (program), UNIT (of
# systemd), STATUS (URL of server-status?auto).

# DIR
entry() { for file in apache2.conf httpd.conf; do [ ! -f "$1/$file" ] || { echo "$file"; return 0; }; done; return 1; }
with_env() { # DIR COMMAND...: as Debian's apachectl runs it, with the variables of envvars
  envvars=$1/envvars; shift
  # shellcheck disable=SC1090
  ( cd /; [ ! -f "$envvars" ] || { APACHE_CONFDIR=$DEST; export APACHE_CONFDIR; . "$envvars"; }; "$@" )
}
apache() { with_env "$DEST" "$APACHE" -d "$DEST" -f "$DEST/$(entry "$DEST")" "$@"; }
is_parent() { # PID: the parent of the httpd on DEST, never another httpd of this machine
  argv=$(words "$1") && [ -n "$argv" ] || return 1
  case $(printf '%s\n' "$argv" | head -n 1) in */"${APACHE##*/}"|"${APACHE##*/}") ;; *) return 1 ;; esac
  [ "$(words "$(sed 's/.*) . //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1)")" != "$argv" ] || return 1 # a child
  printf '%s\n' "$argv" | grep -qxF -e "$DEST" -e "$DEST/apache2.conf" -e "$DEST/httpd.conf" && return 0
  [ -z "$PREFIX" ] && ! printf '%s\n' "$argv" | grep -qxE -e '-[df].*' || return 1
  built=$("$APACHE" -V 2>/dev/null | sed -n 's/.*-D \(HTTPD_ROOT\|SERVER_CONFIG_FILE\)="\(.*\)"$/\2/p' | tr '\n' '/')
  [ "${built%/}" = "$DEST/$(entry "$DEST")" ]
}
parent() {
  [ ! -f "$ROOT/loaded" ] || {
    read -r was pid since more < "$ROOT/loaded"; : "$was$more"; [ "$(started "$pid")" = "$since" ] &&
      is_parent "$pid" && echo "$pid" && return 0
  }
  for pid in $(cat "$PREFIX/run/apache2/apache2.pid" "$PREFIX/var/run/apache2/apache2.pid" \
    "$PREFIX/run/httpd/httpd.pid" 2>/dev/null) \
    $(grep -l -e "${APACHE##*/}" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3); do
    is_parent "$pid" && echo "$pid" && return 0
  done
  return 1
}
accepting() { # PARENT: its children that hold a listening socket
  open=$(for table in tcp tcp6; do # listening sockets come first: busy servers have 100,000 others behind them
    awk '$4 == "0A" { print $10; next } NR > 1 { exit }' "/proc/$1/net/$table" 2>/dev/null; done | tr '\n' ' ')
  ls -l $(printf '/proc/%s/fd ' "$1" $(children "$1")) 2>/dev/null | awk -v boss="$1" -v open="$open" '
    BEGIN { n = split(open, word, " "); for (i = 1; i <= n; i++) at["socket:[" word[i] "]"] }
    /^\/proc\// { split($1, part, "/"); pid = part[3] } ($NF in at) && pid != boss { print pid }' | sort -u
}
# PARENT: its accepting children, once they stay the same: a restart of somebody else's would swallow our signal
settled() {
  seen=''
  limit 5
  while in_time; do
    now=$(accepting "$1" | tr '\n' ' ')
    [ -n "$now" ] && [ "$now" = "$seen" ] && { echo "$now"; return 0; }
    seen=$now; pause
  done
  return 1
}
# of the parent $1; every reload replaces all
crew() { for pid in $(accepting "$1"); do printf '%s:%s,' "$pid" "$(started "$pid")"; done; }
remember() {
  printf '%s %s %s %s %s\n' "$1" "$2" "$(started "$2" || echo 0)" "$(imprint)" "-,$(crew "$2")" > "$ROOT/loaded.tmp" &&
    mv -f "$ROOT/loaded.tmp" "$ROOT/loaded"
}
complaint() { # what a parent that is no more said
  tail -c +$((size + 1)) "$log" 2>/dev/null | grep -vE ':(notice|info|debug|trace[0-9])\] ' |
    sed 's/^\[[^]]*\] \[[^]]*\] \[pid[^]]*\] //' | head -n 3
}

service_check() {
  file=$(entry "$1") || { echo "apache2.conf (or httpd.conf) is missing from the release" >&2; return 1; }
  said=$(with_env "$1" as_if_live "$1" "$APACHE" -d @/ -f "@/$file" -t); rc=$?
  [ $rc = 0 ] || untold $rc && return 0 # the running process reads it without the tool
  printf '%s\n' "$said" | grep -vE 'AH00558|^Syntax OK' | sed "s|${TMPDIR:-/tmp}/tmp\.[^/]*/||g" | plainly "$1" |
    head -n 8 >&2
  return 1
}
service_running() { parent >/dev/null; }
service_reload() {
  boss=$(parent) || { echo "no httpd runs with $DEST" >&2; return 1; }
  log=$(readlink "/proc/$boss/fd/2") && [ -f "$log" ] && size=$(wc -c < "$log") || log=/dev/null size=0
  if [ -f "$ROOT/loaded" ] && read -r was pid more < "$ROOT/loaded" && [ "$pid" = "$boss" ] &&
    [ -d "$ROOT/releases/$was" ]; then
    needs=$(service_change "$ROOT/releases/$was" "$DEST/.")
    case $needs in restart*) echo "a reload does not make it live; $needs" >&2; return 1 ;; esac
  fi
  rm -f "$ROOT/loaded"
  old=" $(settled "$boss")" && [ -n "${old# }" ] || {
    echo "httpd has no child that accepts connections" >&2; return 1
  }
  born=$(started "$boss")
  hears "$boss" 10 && kill -USR1 "$boss" || { echo "httpd $boss catches no SIGUSR1: nothing was sent" >&2; return 1; }
  limit 12
  while in_time; do
    alive "$boss" "$born" || { echo "httpd died of the reload: $(complaint | plainly "$DEST")" >&2; return 1; }
    fresh=0 left=0
    for pid in $(accepting "$boss"); do case $old in *" $pid "*) left=1 ;; *) fresh=1 ;; esac; done
    [ $fresh = 1 ] && [ $left = 0 ] && alive "$boss" "$born" && { remember "$1" "$boss"; return 0; }
    pause
  done
  echo "httpd kept its old children after the reload: $(complaint | plainly "$DEST")" >&2
  return 1
}
# what holds the number in its pid file may be its dead parent for a moment longer: it exits 0 then, and does nothing
start() {
  tries=0
  while said=$(apache -k start 2>&1); do
    case $said in *"already running"*) ;; *) return 0 ;; esac
    ! service_running || return 0
    tries=$((tries + 1)); [ $tries -lt 50 ] || return 1
    pause
  done
  return 1
}
service_start() {
  ! service_running || { service_reload "$1"; return; }
  rm -f "$ROOT/loaded"
  if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then systemctl restart "$UNIT" || return 1
  else
    [ -n "$PREFIX" ] || mkdir -p /run/apache2
    start || { printf '%s\n' "$said" | grep -v AH00558 | plainly "$DEST" | head -n 4 >&2; return 1; }
  fi
  limit 12
  while in_time; do
    boss=$(parent) && [ -n "$(accepting "$boss")" ] && { remember "$1" "$boss"; return 0; }
    pause
  done
  echo "httpd did not come up" >&2
  return 1
}
# what lies on the disk untouched since then, whoever reloaded; else the same parent as long as one child of then
# accepts
service_loaded() {
  read -r release pid since print crew < "$ROOT/loaded" && boss=$(parent) || return 1
  if untouched "$release" "$print"; then echo "$release"
  elif [ "$boss" = "$pid" ] && [ "$(started "$pid")" = "$since" ]; then
    [ -n "$crew" ] || { echo "$release"; return; } # written before there were crews
    for pid in $(accepting "$boss"); do
      case $crew in *",$pid:$(started "$pid"),"*) echo "$release"; return ;; esac
    done
  fi
}
service_adopted() { boss=$(parent) || boss=0; remember "$1" "$boss"; }
service_restart() {
  boss=$(parent) || { service_start "$1"; return; }
  startable || return 1
  kill -WINCH "$boss" || return 1 # finishes what is being answered
  tries=0
  while [ -d "/proc/$boss" ] && [ $tries -lt 50 ]; do tries=$((tries + 1)); pause; done
  [ ! -d "/proc/$boss" ] || kill -TERM "$boss"
  while [ -d "/proc/$boss" ] && [ $tries -lt 90 ]; do tries=$((tries + 1)); pause; done
  service_start "$1"
}
service_revive() { service_restart "$1"; } # the cache is on disk: nothing is lost
