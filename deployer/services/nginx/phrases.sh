# nginx; why it looks as it does: phrasebook.py. Given: DEST, ROOT, PREFIX; NGINX (program), STATUS (URL of
# stub_status).

# The master that runs DEST/nginx.conf, never another nginx of this machine.
is_master() {
  line_of "/proc/${1:-0}/cmdline" || return 1
  case $line in "nginx: master process"*) ;; *) return 1 ;; esac
  [ -z "$PREFIX" ] || case $line in *"$DEST/nginx.conf"*) ;; *) return 1 ;; esac
}
master() {
  [ ! -f "$ROOT/loaded" ] || {
    read -r was pid since < "$ROOT/loaded"; : "$was$since"; is_master "$pid" && echo "$pid" && return 0
  }
  for pid in $(numbers); do is_master "$pid" && echo "$pid" && return 0; done
  return 1
}
numbers() { # in the pid files that it may have written
  said=$(sed -n 's/^[[:space:]]*pid[[:space:]]\{1,\}\([^;]*\);.*/\1/p' "$DEST/nginx.conf" 2>/dev/null | head -n 1)
  case $said in ''|/*) ;; *) said=$PREFIX/$said ;; esac
  cat "$said" "$PREFIX/run/nginx.pid" "$PREFIX/var/run/nginx.pid" 2>/dev/null
}
orphans() { # workers of a master that was killed: they are of its session still, serve on, and hold its ports
  for boss in $(numbers; cut -d' ' -f2 "$ROOT/loaded" 2>/dev/null); do
    ! line_of "/proc/$boss/cmdline" || continue # its number may be a zombie's still
    for file in $(grep -l '^nginx: worker process' /proc/[0-9]*/cmdline 2>/dev/null); do
      pid=${file#/proc/} pid=${pid%/*}
      line_of "/proc/$pid/stat" && set -- ${line##*) } && [ "$4" = "$boss" ] && echo "$pid"
    done
  done
}
workers() { # of the master $1, those that accept connections
  for pid in $(children "$1"); do
    line_of "/proc/$pid/cmdline" && case $line in *"is shutting down"*) ;; "nginx: worker process"*) echo "$pid" ;; esac
  done
}
# of the master $1; every reload replaces all
crew() { for pid in $(workers "$1"); do printf '%s:%s,' "$pid" "$(started "$pid")"; done; }
remember() { # RELEASE MASTER
  printf '%s %s %s %s %s\n' "$1" "$2" "$(started "$2" || echo 0)" "-,$(crew "$2")" "$(imprint)" > "$ROOT/loaded.tmp" &&
    mv -f "$ROOT/loaded.tmp" "$ROOT/loaded"
}
run_nginx() { "$NGINX" ${PREFIX:+-p "$PREFIX/"} "$@"; }

service_check() {
  [ -f "$1/nginx.conf" ] || { echo "nginx.conf is missing from the release" >&2; return 1; }
  ! way_back || return 0 # what it does not load it refuses, and serves on
  if [ "$(id -u)" = 0 ] && [ -e "$ROOT/current" ] && unshare -m true 2>/dev/null; then
    # absolute includes into DEST would read the live files: bind the staged tree over them where nobody else sees it
    said=$(unshare -m sh -c 'mount --make-rprivate / 2>/dev/null; mount --bind "$1" "$2" && shift 2 && exec "$@"' sh \
      "$1" "$(readlink -f "$ROOT/current")" "$NGINX" ${PREFIX:+-p "$PREFIX/"} -t -q -c "$DEST/nginx.conf" 2>&1) &&
        return 0
  else
    said=$(cd "$1" && grep -rnE "^[[:space:]]*include[[:space:]]+[\"']?$DEST/" . | head -n 1)
    [ -z "$said" ] || { echo "${said#./}: an absolute include reads the live files; write it relative" >&2; return 1; }
    said=$(run_nginx -t -q -c "$1/nginx.conf" 2>&1) && return 0
  fi
  printf '%s\n' "$said" | sed "s|$DEST/||g; s|$1/||g" >&2
  return 1
}
service_running() { master >/dev/null; }
service_reload() {
  pid=$(master) || { echo "no nginx runs with $DEST/nginx.conf" >&2; return 1; }
  boss=$pid old=" "
  # a reload before this one may still try to bind; what it logs is its own
  limit 4; until waits "$boss" || ! in_time; do pause; done
  for pid in $(children "$boss"); do old="$old$pid "; done
  log=$(readlink "/proc/$boss/fd/2") && [ -f "$log" ] && size=$(wc -c < "$log") || log=/dev/null size=0
  was=$(cat "$ROOT/loaded" 2>/dev/null); rm -f "$ROOT/loaded"
  kill -HUP "$boss" || return 1
  limit 12
  while in_time; do
    done=; ! waits "$boss" || done=1 # asked first: what is seen after that is how it ended
    fresh=0 left=0 new=0
    for pid in $(children "$boss"); do case $old in *" $pid "*) ;; *) new=1 ;; esac; done
    for pid in $(workers "$boss"); do case $old in *" $pid "*) left=1 ;; *) fresh=1 ;; esac; done
    [ $fresh = 1 ] && [ $left = 0 ] && { remember "$1" "$boss"; return 0; }
    [ -z "$done" ] || [ $new = 1 ] || { # it refused, and goes on with what it had
      [ -z "$was" ] || { printf '%s\n' "$was" > "$ROOT/loaded.tmp" && mv -f "$ROOT/loaded.tmp" "$ROOT/loaded"; }
      break
    }
    pause
  done
  grave=$(tail -c +$((size + 1)) "$log" 2>/dev/null | grep -F '[emerg]' | tail -n 1)
  echo "nginx kept its old configuration: ${grave:-no new workers came up}" >&2
  return 1
}
service_start() {
  service_running && { service_reload "$1"; return; }
  left=$(orphans | sort -u)
  rm -f "$ROOT/loaded"
  if [ -n "$left" ]; then
    kill -QUIT $left # they close their ports at once, and finish what they are answering
    limit 5; while [ -n "$(listening $left)" ] && in_time; do pause; done
  fi
  if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then systemctl start nginx || return 1
  else run_nginx -c "$DEST/nginx.conf" || return 1; fi
  tries=0
  while [ $tries -lt 50 ]; do
    pid=$(master) && boss=$pid && [ -n "$(workers "$boss")" ] && { remember "$1" "$boss"; return 0; }
    tries=$((tries + 1)); sleep 0.1 2>/dev/null || sleep 1
  done
  echo "nginx did not come up" >&2
  return 1
}
# as long as one worker of then lives nobody reloaded; after that, what lies on the disk unless it was touched
service_loaded() {
  read -r release pid since crew print < "$ROOT/loaded" && boss=$(master) || return 1
  if [ "$boss" = "$pid" ] && [ "$(started "$pid")" = "$since" ]; then
    [ -n "$crew" ] || { echo "$release"; return; } # written before there were crews
    for pid in $(workers "$boss"); do case $crew in *",$pid:$(started "$pid"),"*) echo "$release"; return ;; esac; done
  fi
  ! untouched "$release" "$print" || echo "$release"
}
service_adopted() { boss=$(master) || boss=0; remember "$1" "$boss"; }
service_restart() {
  pid=$(master) && boss=$pid || { service_start "$1"; return; }
  startable || return 1
  kill -QUIT "$boss" || return 1 # finishes what is being answered
  tries=0
  while [ -d "/proc/$boss" ] && [ $tries -lt 80 ]; do tries=$((tries + 1)); sleep 0.1 2>/dev/null || sleep 1; done
  [ ! -d "/proc/$boss" ] || kill -TERM "$boss"
  service_start "$1"
}
service_counters() { # stub_status knows requests only, and is asked only where the configuration has it
  grep -rqsE '^([^#]*[[:space:]{;])?stub_status([[:space:]]+on)?[[:space:]]*;' "$DEST/" || return 1
  { curl -sf -m 5 "$STATUS" 2>/dev/null || wget -q -T 5 -O - "$STATUS" 2>/dev/null; } | awk '
    NF == 3 && /^ *[0-9]+ +[0-9]+ +[0-9]+ *$/ { print "n", $3; found = 1 } END { exit !found }'
}
