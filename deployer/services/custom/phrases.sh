# The user's own commands. Given: DEST, ROOT, PREFIX; CHECK, ACTIVATE, VERIFY, STATUS, START (of `custom:`).

export DEST ROOT PREFIX
service_check() { [ "${WAY:-forward}" = back ] || sh -c "$CHECK" check "$1"; } # on the way back the proof alone counts
service_running() { sh -c "$STATUS" status; }
service_reload() { sh -c "$ACTIVATE" activate "$1"; }
service_start() { sh -c "${START:-$ACTIVATE}" start "$1"; }
service_loaded() { # asked of each release that could be: the one the user's own command proves
  for link in current good; do
    release=$(readlink "$ROOT/$link") && release=${release#releases/} || continue
    sh -c "$VERIFY" verify "$release" >/dev/null 2>&1 && { echo "$release"; return 0; }
  done
  return 1
}
service_change() { echo "cold: whether the cache outlives the commands is not known"; }
service_restart() { service_reload "$1"; }
service_counters() { return 1; }
