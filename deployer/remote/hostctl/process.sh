
# --- the process
service() { # service FUNCTION [ARG]: in a child shell, bounded, without the lock and without the caller's input
  timeout -k 2 "$T_CMD" sh -c '. "$1"; f=$2; shift 2; "$f" "$@"' sh "$PHRASES" "$@" 9>&- </dev/null
}
loaded() { has=$(service service_loaded 2>/dev/null) || :; [ "$has" = "$1" ]; } # RELEASE; has: what it has
# TO FROM [MAY_RESTART]: make the process use what `current` points at, and prove it; why: the reason if not. FROM: what
# it has, for that decides between reload and restart, not what lies on the disk
apply() {
  how=reload
  if ! service service_running >/dev/null 2>&1; then how=start
  elif [ "${3:-0}" = 1 ]; then
    case $(service service_change "$ROOT/releases/$2" "$ROOT/releases/$1" 2>/dev/null) in
      restart*|lasting*) how=restart ;;
    esac
  fi
  make_live "$1" "$how" && return 0
  first=$why # on the way back, a server that may ignore its next reload has a last resort of its own
  [ "${3:-0}" = 1 ] && [ "$how" = reload ] && make_live "$1" revive || { why=$first; return 1; }
}
make_live() { # RELEASE reload|restart|start|revive
  why=$(service "service_$2" "$1" 2>&1) || { why="the service refused it: $why"; return 1; }
  now; until_up=$((up + T_PROVE)) # bounded by time, not by tries: each may be slow
  while :; do
    loaded "$1" && return 0
    now; [ "$up" -lt "$until_up" ] || break
    sleep 0.2 2>/dev/null || sleep 1
  done
  why="${2}ed, but the running process does not have $1${why:+: $why}"
  return 1
}
go_back() { # idempotent; renames only once armed
  load; WAY=back; note "revert deploy=$deploy reason=$1 from=$current to=$good"
  [ "${BOOTING:-0}" = 1 ] || ! going_down || leave
  intact "$good" || { stuck "the good release $good is corrupt; the service is left as it is"; return 1; }
  phrases_of "$good"
  [ "${BOOTING:-0}" = 1 ] || accepts "$good" "$current" "$target" || # at boot no name resolves yet
    { stuck "the good release $good no longer validates ($said); the service is left as it is"; return 1; }
  loaded "$good" || rm -f loaded # before the link moves: an unknown process passes for what lies there
  [ "$current" = "$good" ] || point current "$good" current.rvt || { stuck "cannot move the link back"; return 1; }
  if [ "${BOOTING:-0}" = 1 ]; then
    service service_adopted "$good" >/dev/null 2>&1 || : # what starts next reads it from the disk
  elif [ "$has" = "$good" ] && loaded "$good"; then # it never took what is undone: nothing to do to it
    service service_adopted "$good" >/dev/null 2>&1 || : # what it has, and what it would read now, are the same again
  elif ! apply "$good" "${has:-$current}" 1; then
    stuck "the service does not come back with $good: $why"; return 1
  fi
  settle rvt reverted; rm -f ALARM; sync_it "$ROOT"; note "reverted deploy=$deploy to=$good"
}
leave() { # what is live when the machine starts again; the process is left to those who end it, the record to the boot
  ! intact "$good" || [ "$current" = "$good" ] || point current "$good" current.rvt || :
  refuse stopping "this host is going down: it comes back on $good"
}
stuck() {
  alarm=$1; note "REVERT-FAILED $1"; shorten events; printf '%s\n' "$1" > ALARM 2>/dev/null || :
  logger -p daemon.crit -t deployer "REVERT-FAILED $ROOT: $1" 2>/dev/null || :
}
