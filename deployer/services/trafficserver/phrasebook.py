"""Apache Traffic Server 9.2. `traffic_ctl config reload` exits 0 before anything was read, `verify_config` exits 0 for
any line of records.config, and what is refused is only said in diags.log. Measured, and why the functions look as they
do:

- A file is read again only when its time is newer than the last one seen, and the files of a release are older than
  any: those that differ are touched.
- A record whose line is gone keeps its value over a reload, so that going back would keep what the bad release set: it
  is set to its default. A static record shows its new value at once and has it only after a restart: what a reload
  cannot make live is refused before anything is read.
- Every file that is read again says `X loading ...` and `X finished loading` (or `failed to load`) in diags.log, within
  two config_update_interval_ms; records are read back by name. That is the proof. What was not chosen, and why:
  `config status` says "current" for a refused remap.config; reconfigure_time counts commands, not acceptance.
- A restart forgets what came into the cache since its directory was last written: a minute, unless a record says less.
- Without its body_factory the server does not start, and nothing says so before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.services.base import AccessLog, Facts, ServiceSettings, assignments
from deployer.services.shell import PROCESSES, STAGED
from deployer.services.trafficserver.access_log import access_log
from deployer.services.trafficserver.change import CHANGE
from deployer.services.trafficserver.check import CHECK

SCRIPT = r"""
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
watched() { # PATH: the file whose reading again takes it; nothing where that is no file's business
  case $1 in
    records.config|trafficserver-release|README*) ;;
    parent.config|cache.config|ip_allow.yaml|hosting.config|sni.yaml|ssl_multicert.config|logging.yaml) echo "$1" ;;
    splitdns.config|socks.config) ;;
    *) echo remap.config ;;
  esac
}
outcome() { # FILE: read | refused | unread, as diags.log tells since $size
  tail -c +$((size + 1)) "$log" 2>/dev/null | awk -v file="$1" -v strict="$strict" '
    { name = ""; for (i = 1; i < NF; i++) if ($i ~ ("(^|/)" file "$") &&
      ($(i + 1) ~ /^(loading|finished|failed)$/)) { name = file; word = $(i + 1) } }
    name != "" && word == "loading" { begun = 1; state = "unread" }
    name != "" && word == "finished" && begun { state = "read" }
    name != "" && word == "failed" { state = "refused" }
    strict && /ERROR:.*discarding/ && index($0, "/" file " ") { dropped = 1 }
    END { print (state == "read" && dropped) ? "refused" : state == "" ? "unread" : state }'
}
refusal() { # what diags.log says against it
  tail -c +$((size + 1)) "$log" 2>/dev/null | grep -E 'ERROR:|WARNING:|FATAL:|EMERGENCY:' |
    grep -v 'connection throttle' |
    sed 's/^\[[^]]*\] \(\[[^]]*\]\|[^ ]*\) *[A-Z]*: //' | sed "s|$DEST/||g" | head -n 4
}
mismatch() { # the first record of the live file that the server does not have
  want=$(records "$DEST/records.config")
  # shellcheck disable=SC2046
  { printf '%s\n--\n' "$want"; ctl config get $(printf '%s\n' "$want" | cut -d' ' -f1); } | awk '
    function number(text,  unit) { unit = toupper(substr(text, length(text)))
      return text * (unit == "K" ? 1024 : unit == "M" ? 1048576 : unit == "G" ? 1073741824 : \
        unit == "T" ? 1099511627776 : 1) }
    $1 == "--" { after = 1; next }
    !after { name[++n] = $1; type[n] = $2; value[n] = substr($0, length($1) + length($2) + 3); next }
    { i = index($0, ": "); has[substr($0, 1, i - 1)] = substr($0, i + 2) }
    END { for (i = 1; i <= n; i++) { is = has[name[i]]
      if (!(name[i] in has)) ok = 0
      else if (type[i] == "STRING") ok = is == value[i] || (value[i] == "" && is == "NULL")
      else ok = value[i] ~ /^0x/ || number(value[i]) == number(is)
      if (!ok) { print name[i]; exit } } }'
}
defaults() { # records that some release here set and the live one does not name go back to their default
  gone=$({ records "$DEST/records.config"; echo --; records "$ROOT"/releases/*/records.config; } |
    awk '$1 == "--" { after = 1; next } !after { keep[$1] = 1; next } !($1 in keep) { print $1 }')
  [ -n "$gone" ] || return 0
  # shellcheck disable=SC2086
  { ctl config get $gone; echo --; ctl config defaults --records; } | awk '$1 == "--" { after = 1; next }
    !after { i = index($0, ": "); is[substr($0, 1, i - 1)] = substr($0, i + 2); next }
    { value = $0; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", value) } ($2 in is) && is[$2] != value { print $2, value }' |
    while read -r name value; do ctl config set "$name" "$value" >/dev/null || exit 1; done
}
service_reload() {
  old=$(server) || { echo "no traffic_server runs on $DEST" >&2; return 1; }
  was='' pid='' since=''; [ ! -f "$ROOT/loaded" ] || read -r was pid since more < "$ROOT/loaded"
  if [ -n "$was" ] && [ -d "$ROOT/releases/$was" ]; then
    needs=$(service_change "$ROOT/releases/$was" "$DEST/.")
    case $needs in restart*|lasting*) echo "a reload does not make it live; $needs" >&2; return 1 ;; esac
  fi
  if [ -n "$was" ] && [ -d "$ROOT/releases/$was" ] && [ "$pid $since" = "$old $(started "$old")" ]; then
    paths=$(differing "$ROOT/releases/$was" "$DEST/.")
  else paths=$(cd "$DEST" && find . -type f | sed 's|^\./||' |
    grep -vxE '\.manifest|(plugin|storage|volume)\.config|body_factory/.*'); fi
  rm -f "$ROOT/loaded"
  files=$(printf '%s\n' "$paths" | while IFS= read -r path; do watched "$path"; done | sort -u)
  # what was confirmed with discarded lines may come back with them
  strict=1; [ "$(readlink "$ROOT/good")" != "releases/$1" ] || strict=0
  log=$(diags) size=0; [ ! -f "$log" ] || size=$(wc -c < "$log")
  defaults || { echo "a record cannot be set back to its default" >&2; return 1; }
  for file in records.config $files; do [ ! -f "$DEST/$file" ] || touch "$DEST/$file"; done
  limit 15; born=$(started "$old")
  until ctl config reload >/dev/null; do
    alive "$old" "$born" && in_time || { echo "traffic_ctl cannot reach the server" >&2; return 1; }
    pause
  done
  while :; do
    left=
    [ "$(wc -c < "$log" 2>/dev/null || echo 0)" -ge "$size" ] || size=0 # rotated
    for file in $files; do
      [ -f "$DEST/$file" ] || continue
      case $(outcome "$file") in refused) echo "$file was refused: $(refusal)" >&2; return 1 ;; unread) left=$file ;;
      esac
    done
    [ -n "$left" ] || left=$(mismatch)
    alive "$old" "$born" || { echo "traffic_server died of the reload" >&2; return 1; }
    [ -n "$left" ] || { remember "$1" "$old"; return 0; }
    in_time || { echo "traffic_server did not take $left over" >&2; return 1; }
    pause
  done
}
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
"""


FACTS = Facts(
    check="names, types and values of records.config; `traffic_server -C verify_config` on the staged tree in a "
    "scratch runroot",
    reload="`traffic_ctl config reload` of the files that differ; records that are gone are set to their default",
    proof="diags.log says that each file which differs was read by the very same process, and every record is read "
    "back",
    cache_after_reload="kept; lost with another cachekey plugin, target of a map, or hosting.config",
    cache_after_restart="kept (on disk) but for the last minute (cache.dir.sync_frequency); lost with storage.config, "
    "volume.config",
    way_back="reload",
    traffic="a log of logging.yaml in mode ascii with `%<crc> %<pssc> %<ttms> %<shn>`",
    counters="traffic_ctl metric match proxy.process.http (up to 5 s old)",
    restarts="static records (ports, threads), plugin.config, body_factory, storage.config, volume.config",
    cannot="check the YAML files and cache.config before they are read; tell a request that was not looked up from "
    "a miss in the log",
)


@dataclass(frozen=True)
class TrafficServer:
    """Traffic Server 9 with traffic_manager. Host variables: traffic_server_bin, traffic_manager_bin, traffic_ctl_bin,
    traffic_layout_bin, ts_runroot ("" for the places the package was built with), ts_unit (of systemd)."""

    name: str = "trafficserver"
    keeps_cache: bool = True
    keeps_cache_on_restart: bool = True
    entry: str = "records.config"
    facts: Facts = FACTS
    counters: frozenset[str] = frozenset(("n", "err", "look", "miss", "orig"))

    def script(self, settings: ServiceSettings) -> str:
        """See base.py."""
        head = assignments(
            DEST=settings.dest,
            ROOT=settings.root,
            PREFIX=settings.prefix,
            SERVER=settings.var("traffic_server_bin", "traffic_server"),
            MANAGER=settings.var("traffic_manager_bin", "traffic_manager"),
            CTL=settings.var("traffic_ctl_bin", "traffic_ctl"),
            LAYOUT=settings.var("traffic_layout_bin", "traffic_layout"),
            RUNROOT=settings.var("ts_runroot"),
            UNIT=settings.var("ts_unit", "trafficserver"),
        )
        return head + PROCESSES + STAGED + SCRIPT + CHANGE + CHECK

    def access_log(self, files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
        """See base.py."""
        return access_log(files, settings)
