"""Squid 5.7. A reload with a bad configuration kills it, and `squid -k parse` exits 0 for some of those (a helper
program that is missing: a FATAL line, exit code 0, and death at SIGHUP; `cache denny x` is left out of the running
rules; measured): what it prints counts, and the way back can start a dead one.

The proof are the listening sockets. A reload closes them, reads the files, and opens new ones (14 to 21 ms of refused
connections, measured); a socket's inode number is the kernel's and is never given twice. So sockets that were all
replaced since they were looked at after the switch belong to a process that read the files after the switch. What was
not chosen, and why: `squid -k reconfigure` exits 0 whatever follows; cache.log can be elsewhere, rotated or silenced
by debug_options; mgr:info tells when the process started, not when it reloaded; mgr:config needs a password;
visible_hostname is the user's. A port that is taken is left out by Squid without failing, so every port of the release
must be among those sockets, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.services.base import AccessLog, Facts, ServiceSettings, assignments
from deployer.services.shell import PROCESSES, STAGED
from deployer.services.squid.access_log import access_log

SCRIPT = r"""
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
# DIR: its lines, includes in place
parsed() { as_if_live "$1" "$SQUID" -k parse -f @/squid.conf | sed -n 's/.*| Processing: //p'; }
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
service_change() { # measured on 5.7: what a running squid leaves as it is, most of it without a word
  { parsed "$1"; echo --; parsed "$2"; } | awk '
    function keep(key, value) { all[key]; if (after) new[key] = value; else old[key] = value }
    $1 == "--" { after = 1 }
    $1 == "cache_dir" { keep($1 " " $3, $2 " " $5 " " $6) }
    $1 == "workers" || $1 == "max_filedescriptors" || $1 == "pid_filename" { keep($1, $2) }
    $1 ~ /^(store_id|url_rewrite)_(program|access|extras)$/ { made[$0] += after ? 1 : -1; by[$0] = $1 }
    $1 ~ /^https?_port$/ { $2 = ""; made[$0] += 0; if (!after) made[$0] = -1; else if (made[$0] < 0) made[$0] = 0;
      by[$0] = "a port" }
    END { for (line in made) if (made[line] != 0) cold = by[line] \
      " makes other URLs of requests, which are the key of the cache"
 for (key in all) if ((key in old) != (key in new) || old[key] != new[key]) {
        what = key ~ /^cache_dir/ ? " is added, removed or of another kind" : " changes"
        print "restart: " key what ", which a running squid does not take" (cold != "" ? "; cold: " cold : ""); exit }
      print cold != "" ? "cold: " cold : "reload" }'
}
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
fetch() { # URL, as one of our probes: the access log is not to count it
  if command -v curl >/dev/null 2>&1; then curl -s -f -m 5 --noproxy '*' -A deployer-probe "$1"
  else http_proxy='' wget -q -T 5 -U deployer-probe -O - "$1"; fi 2>/dev/null
}
service_counters() { # mgr:counters over the ports of its own; `http_access allow localhost manager` must be there
  master=$(boss) || return 1
  for one in $(sockets "$master" | cut -d' ' -f2); do
    host=127.0.0.1 hex=${one%:*}
    case $hex in *[!0]*) case $hex in ????????) ;; *) continue ;; esac # the kernel writes IPv4 with the last byte first
      third=$(echo "$hex" | cut -c3-4) second=$(echo "$hex" | cut -c5-6)
      host=$(printf '%d.%d.%d.%d' "0x${hex#??????}" "0x$second" "0x$third" "0x${hex%??????}") ;;
    esac
    fetch "http://$host:$(printf '%d' "0x${one##*:}")/squid-internal-mgr/counters" |
      awk -v since="$(kids "$master" | tail -n 1)" '
      $1 == "client_http.requests" { n = $3; print "n", n; print "look", n }
      $1 == "client_http.hits" { print "miss", n - $3 }
      $1 == "server.all.requests" { print "orig", $3; print "since", since } END { exit !(n != "") }' && return 0
  done
  return 1
}
"""


FACTS = Facts(
    check="`squid -k parse` on the staged tree in the place of the live one; FATAL lines count, for its exit code can "
    "be 0",
    reload="SIGHUP to the master; ports are closed for 14 to 21 ms, requests in flight go on",
    proof="every listening socket was replaced by a new one, and every port of the release is among them",
    cache_after_reload="kept (memory and disk); lost with another store_id, url_rewrite or accelerated site",
    cache_after_restart="memory lost, disk kept",
    way_back="reload; start when it died of the reload",
    traffic="access.log (squid, combined or a logformat): the result code before `/`",
    counters="mgr:counters over its own port, by curl or wget, where localhost is allowed `manager`",
    restarts="workers, max_filedescriptors, pid_filename, and a cache_dir that comes, goes or changes its kind",
    cannot="reload without refusing connections for a moment; count 5xx (mgr:counters does not tell them apart)",
)


@dataclass(frozen=True)
class Squid:
    """Host variables: squid_bin (default: squid on PATH), squid_unit (default squid)."""

    name: str = "squid"
    keeps_cache: bool = True
    keeps_cache_on_restart: bool = False
    entry: str = "squid.conf"
    facts: Facts = FACTS
    counters: frozenset[str] = frozenset(("n", "look", "miss", "orig"))

    def script(self, settings: ServiceSettings) -> str:
        """See base.py."""
        head = assignments(
            DEST=settings.dest,
            ROOT=settings.root,
            PREFIX=settings.prefix,
            SQUID=settings.var("squid_bin", "squid"),
            UNIT=settings.var("squid_unit", "squid"),
        )
        return head + PROCESSES + STAGED + SCRIPT

    def access_log(self, files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
        """See base.py and squid_log.py."""
        return access_log(files, settings)
