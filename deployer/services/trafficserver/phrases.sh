# Traffic Server; why it looks as it does: phrasebook.py. Given: DEST, ROOT, PREFIX; SERVER, MANAGER, CTL, LAYOUT
# (programs), RUNROOT ("": the places it was built with), UNIT (of systemd).

unset TS_RUNROOT; [ -z "$RUNROOT" ] || { TS_RUNROOT=$RUNROOT; export TS_RUNROOT; }
ctl() { timeout 8 "$CTL" "$@" 2>/dev/null; }
layout() {
  [ -n "${places:-}" ] || places=$("$LAYOUT" info 2>/dev/null); printf '%s\n' "$places" | sed -n "s/^$1: //p"
}
manager() {
  read -r pid < "$(layout RUNTIMEDIR)/manager.lock" 2>/dev/null || return 1
  case $(words "$pid" | head -n 1) in */traffic_manager|traffic_manager) echo "$pid" ;; *) return 1 ;; esac
}
server() { # the traffic_server of this manager
  boss=$(manager) || return 1
  for pid in $(children "$boss"); do
    case $(words "$pid" | head -n 1) in */traffic_server) echo "$pid"; return 0 ;; esac
  done
  return 1
}
diags() { echo "$(layout LOGDIR)/diags.log"; }
remember() {
  printf '%s %s %s %s\n' "$1" "$2" "$(started "$2" || echo 0)" "$(imprint)" > "$ROOT/loaded.tmp" &&
    mv -f "$ROOT/loaded.tmp" "$ROOT/loaded"
}
records() { # FILE...: `name type value` of every record, the last line for a name counts
  sed 's/^[[:space:]]*//; /^#/d; /^$/d' "$@" 2>/dev/null |
    awk '{ line = $0; sub(/^[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]*/, "", line);
      sub(/[[:space:]]+$/, "", line)
      if (!($2 in is)) order[++n] = $2; is[$2] = $3 " " line }
      END { for (i = 1; i <= n; i++) print order[i], is[order[i]] }'
}

service_running() { server >/dev/null; }
stop() { # the manager, and the server even where it has lost its manager
  orphan=
  read -r pid < "$(layout RUNTIMEDIR)/server.lock" 2>/dev/null &&
    case $(words "$pid" | head -n 1) in */traffic_server) orphan=$pid ;; esac
  boss=$(manager)
  tries=0
  for pid in $boss $orphan; do
    kill -TERM "$pid" 2>/dev/null
    while [ -d "/proc/$pid" ] && [ $tries -lt 60 ]; do tries=$((tries + 1)); pause; done
    [ ! -d "/proc/$pid" ] || kill -KILL "$pid" 2>/dev/null
  done
}
service_start() {
  ! service_running || { service_reload "$1"; return; }
  rm -f "$ROOT/loaded"
  stop
  log=$(diags) size=0 strict=0; [ ! -f "$log" ] || size=$(wc -c < "$log")
  if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then systemctl restart "$UNIT" || return 1
  else ( cd "$(layout RUNTIMEDIR)" &&
    exec setsid "$MANAGER" ${RUNROOT:+"--run-root=$RUNROOT"} >/dev/null 2>&1 </dev/null ) & fi
  limit 14
  while in_time; do
    said=$(tail -c +$((size + 1)) "$log" 2>/dev/null)
    # those that are not there fail, too
    for file in $(printf '%s\n' "$said" | sed -n 's/.*[ /]\([a-z_]*\.[a-z]*\) failed to load.*/\1/p'); do
      [ ! -f "$DEST/$file" ] || said="FATAL: $file"
    done
    case $said in *EMERGENCY:*|*FATAL:*) echo "traffic_server refused it: $(refusal)" >&2; return 1 ;; esac
    case $said in *"fully initialized"*) pid=$(server) && { remember "$1" "$pid"; return 0; } ;; esac
    pause
  done
  echo "traffic_server did not come up: $(refusal)" >&2
  return 1
}
service_loaded() { # the same process has what was proven; another one was started from what lies on disk
  read -r release pid since print < "$ROOT/loaded" && now=$(server) || return 1
  if [ "$now" = "$pid" ] && [ "$(started "$pid")" = "$since" ]; then echo "$release"
  elif untouched "$release" "$print"; then echo "$release"; fi
}
service_adopted() { pid=$(server) || pid=0; remember "$1" "$pid"; }
service_restart() { ! service_running || startable || return 1; stop; service_start "$1"; }
service_revive() { service_restart "$1"; } # the cache is on disk: nothing is lost
service_counters() { # at most 5 s old: the server gathers them so often
  counted='incoming_requests|outgoing_requests|5xx_responses|cache_lookups|cache_hit_(fresh|ims|stale_served|rww)'
  ctl metric match "^proxy\.(process\.http\.($counted)|node\.restarts\.proxy\.start_time)\$" |
    awk '{ is[$1] = $2 } function p(name) { return is["proxy.process.http." name] + 0 }
      END { if (!("proxy.process.http.incoming_requests" in is)) exit 1
        print "n", p("incoming_requests"); print "err", p("5xx_responses"); print "look", p("cache_lookups")
        print "orig", p("outgoing_requests")
        miss = p("cache_lookups") - p("cache_hit_fresh") - p("cache_hit_ims")
        miss -= p("cache_hit_stale_served") + p("cache_hit_rww")
        print "miss", miss < 0 ? 0 : miss; print "since", is["proxy.node.restarts.proxy.start_time"] + 0 }'
}
