
# --- the watchdog, and the tick that recovers whatever is there
start_watchdog() { # armed only when it has said so itself; the launcher's exit code proves nothing
  rm -f "wd.$1"
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1 &&
    systemd-run -q --collect --unit="deployer-${ROOT##*/}-$1" sh "$SELF" watch "$ROOT" "$1" \
      >/dev/null 2>&1 9>&- </dev/null; then :
  else setsid sh "$SELF" watch "$ROOT" "$1" </dev/null >/dev/null 2>&1 9>&- & fi
  tries=0
  while [ ! -s "wd.$1" ]; do
    tries=$((tries + 1)); [ "$tries" -le "$ACK_TRIES" ] || return 1
    sleep 0.1 2>/dev/null || sleep 1
  done
}
do_watch() {
  trap '' HUP INT TERM PIPE
  echo "$$" > "wd.$1" || exit 1
  LOCK_WAIT=$GRACE STEAL=1
  while recall; do
    [ "$deploy" = "$1" ] && [ "$phase" != idle ] || break
    now
    # a subshell: a failed try must not end the watchdog
    [ "$up" -lt "$deadline" ] || ( locked do_tick ) >/dev/null 2>&1
    sleep "$POLL"
  done
  rm -f "wd.$1"
}
do_tick() { # recover whatever is there: called by the watchdog, the minute tick and the boot unit
  load; boot_id; now
  [ -n "$good" ] || return 0
  if in_flight && [ "$phase" = pending ] && [ "$good" = "$target" ] && [ "$current" = "$target" ] &&
    ! [ "$(readlink good.cfm)" ]; then
    finish_confirm; return 0 # died right after the commit point
  fi
  if [ "$phase" = idle ] && [ "$current" = "$good" ]; then return 0; fi
  if [ "$phase" != idle ] && [ "${BOOTING:-0}" != 1 ] && [ "$boot" = "$boot_now" ] && [ "$up" -lt "$deadline" ]; then
    return 0
  fi
  go_back "not confirmed in time" || refuse stuck "$alarm"
}
