
# --- one verb at a time: flock on a file that is never deleted, that no other user can open (and so hold); its holder
# is written down for the words of a refusal
locked() {
  ( umask 077; : >> lock ) 2>/dev/null; command exec 9>>lock || refuse disk "cannot open the lock: read-only or full"
  if ! flock -n 9 9>&9 && ! timeout "${LOCK_WAIT:-$T_CMD}" flock 9 9>&9; then
    [ "${STEAL:-0}" = 1 ] && steal_lock || refuse busy "another verb is running: $(cat lock.holder 2>/dev/null)"
  fi
  echo "$$ $1" > lock.holder 2>/dev/null || :
  "$@"
  exec 9>&-
}
# only the watchdog, only after the deadline: whoever has the lock open is killed, stopped or hung, never waited for
steal_lock() {
  me=$(exec sh -c 'echo "$PPID"') where=$(pwd -P)
  for fd in /proc/[0-9]*/fd/9; do
    holder=${fd#/proc/} holder=${holder%%/*}
    [ "$holder" != "$me" ] && [ "$(readlink "$fd" 2>/dev/null)" = "$where/lock" ] || continue
    note "lock taken from $holder ($(cat lock.holder 2>/dev/null))"; kill_tree "$holder"
  done
  timeout 5 flock 9 9>&9
}
kill_tree() { # children are looked up first: they lose their parent with it
  # shellcheck disable=SC2046
  set -- "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null)
  kill -9 "$1" 2>/dev/null
  shift
  # the watchdog may be a child of the holder
  for child in "$@"; do [ "$child" = "$$" ] || ( kill_tree "$child" ); done
}
