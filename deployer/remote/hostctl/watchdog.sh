
# --- the watchdog, and the tick that recovers whatever is there
start_watchdog() { # armed only when it has said so itself; the launcher's exit code proves nothing
  rm -f "wd.$1"
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1 && watch_unit "$1"; then :
  else setsid sh "$SELF" watch "$ROOT" "$1" </dev/null >/dev/null 2>&1 9>&- & fi
  tries=0
  while [ ! -s "wd.$1" ]; do
    tries=$((tries + 1)); [ "$tries" -le "$ACK_TRIES" ] || return 1
    sleep 0.1 2>/dev/null || sleep 1
  done
}
# KillSignal: a shutdown waits for no watchdog, the boot unit takes over. KillMode: a server that it started outlives it
watch_unit() {
  systemd-run -q --collect --unit="deployer-${ROOT##*/}-$1" -p KillSignal=SIGKILL -p KillMode=process \
    sh "$SELF" watch "$ROOT" "$1" >/dev/null 2>&1 9>&- </dev/null
}
# the machine, not the service: nothing starts any more, and what runs ends
going_down() { [ "$(timeout 5 systemctl is-system-running 2>/dev/null 9>&- </dev/null)" = stopping ]; }
do_watch() {
  trap '' HUP INT PIPE
  trap 'going_down && { trap - EXIT; exit 0; }' TERM # a session that ends with the machine waits for nobody
  { read -r its < "wd.$1"; } 2>/dev/null && [ "$its" = "$$" ] || echo "$$" > "wd.$1" || exit 1
  watched=$1 LOCK_WAIT=$GRACE STEAL=1
  # a shell that cannot fork exits: the watchdog begins again, in the same process, until it can
  trap 'a_moment; exec sh "$SELF" watch "$ROOT" "$watched"' EXIT
  while recall; do
    [ "$deploy" = "$1" ] && [ "$phase" != idle ] || break
    now
    # a subshell: a failed try must not end the watchdog
    [ "$up" -lt "$deadline" ] || { [ "$up" -lt $((deadline + T_ACT)) ] && activating; } ||
      ( trap - EXIT; trap '' TERM; locked do_tick ) >/dev/null 2>&1
    sleep "$POLL"
  done
  trap - EXIT
  rm -f "wd.$1"
}
# an activation has the lock and is at work: it ends by itself, proven or undone, and its lease begins then
activating() {
  { read -r holder what < lock.holder; } 2>/dev/null && [ "$what" = do_activate ] &&
    [ "$(readlink "/proc/$holder/fd/9" 2>/dev/null)" = "$(pwd -P)/lock" ] && ! stopped "$holder"
}
stopped() { # PID: it, or a program that it waits for, does not go on
  { read -r its < "/proc/$1/stat"; } 2>/dev/null || return 1
  case $its in *") "[Tt]" "*) return 0 ;; esac
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do ! stopped "$child" || return 0; done
  return 1
}
a_moment() { now; since=$up; while [ "$up" = "$since" ]; do now; done; } # without a program: none can be started
do_tick() { # recover whatever is there: called by the watchdog, the minute tick and the boot unit
  load; boot_id; now; dest=
  [ ! -f unadopt ] || { give_back; do_survey "$dest"; exit 0; }
  [ -n "$good" ] || return 0
  [ ! -f unadopt.live ] || { read -r dest < dest; unbuild_tree; } # killed before anything was given back
  [ ! -f adopting ] || in_flight || { read -r dest < dest; reconnect || :; ! linked "$dest" || settle_in; }
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
