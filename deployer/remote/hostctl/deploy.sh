
# --- a deploy: pending, then confirmed or reverted
do_activate() { # DEPLOY NUMBER COMMAND RELEASE LEASE HARDCAP [restart|-] [LEAVES: what a rollback calls bad]
  load; adopted
  in_flight || ! going_down || refuse stopping "this host is going down: nothing was changed"
  if [ "$2" -lt "$fence" ] || { [ "$2" -eq "$fence" ] && [ "$1" != "$deploy" ]; }; then
    refuse stale "deploy $1 is older than $fence, which this host has seen"
  fi
  if in_flight; then
    [ "$1" = "$deploy" ] || refuse busy "deploy ${deploy:-unknown} is in flight here"
    if [ "$phase" = pending ] && [ "$current" = "$target" ]; then
      now; phrases_of "$target"; [ "$up" -lt "$deadline" ] && loaded "$target" && return
    fi
    go_back "activated again" || refuse stuck "$alarm"
    refuse unproven "an earlier activation of this deploy was cut off; the host went back"
  fi
  [ "$1" != "$deploy" ] || refuse mismatch "deploy $1 was already ${outcome:-settled} here"
  [ -d "releases/$4" ] || refuse missing "release $4 is not here"
  intact "$good" || refuse corrupt "no way back: the good release $good was edited or is corrupt"
  intact "$4" || refuse corrupt "release $4 is corrupt"
  if [ "$3" != rollback ]; then
    accepts "$good" "$4" || refuse invalid "no way back: the good release $good no longer validates: $said"
  elif confirmed_here "$4"; then WAY=back; fi # what is left behind need not be valid, and what was good here is tried
  acceptable "$4"
  arm "$@"
  start_watchdog "$1" ||
    { go_back "no watchdog" || :; refuse missing "the watchdog did not report in: nothing was changed"; }
  point current "$target" current.act ||
    { go_back "cannot switch" || refuse stuck "$alarm"; refuse disk "cannot move the link"; }
  note "switched deploy=$deploy to=$target"
  case $3/${7:-} in rollback/*|*/restart) may=1 ;; *) may=0 ;; esac
  if apply "$target" "$good" "$may"; then
    note "pending deploy=$deploy"; now
    # what a slow activation used up is given back: nobody could renew it meanwhile
    [ $((deadline - up)) -gt $(($5 * 2 / 3)) ] || lasts "$5" || : # no room: what was left of it stands
    return
  fi
  failed=$why
  go_back "not proven" || refuse stuck "$failed; and then: $alarm"
  refuse unproven "$failed"
}
arm() { # everything a revert or a confirm needs is written now
  now; boot_id
  phase=pending deploy=$1 command=$3 target=$4 outcome='' boot=$boot_now deadline=$((up + $5)) hard=$((up + $6))
  echo "$2" | put fence || refuse disk "cannot write the fence: read-only or full"
  fence=$2
  for pair in "current.rvt $good" "current.act $target" "good.cfm $target"; do
    rm -f "${pair% *}" && ln -s "releases/${pair#* }" "${pair% *}" || refuse disk "cannot prepare the links"
  done
  # that it is bad is known from now on, however the rollback ends
  [ -z "${8:-}" ] || { cat history 2>/dev/null; echo "$2 away $8"; } | put history ||
    refuse disk "cannot write the history: read-only or full"
  { cat history 2>/dev/null; echo "$2 $3 $4"; } | put history.cfm &&
    ( phase=idle outcome=reverted deadline=0; record ) | put state.rvt &&
    ( phase=idle outcome=confirmed deadline=0; record ) | put state.cfm && save ||
    { rm -f state.rvt state.cfm; refuse disk "cannot write the record"; }
  sync_it "$ROOT"; note "armed deploy=$deploy good=$good target=$target"
}
lasts() { # SECONDS from now, never beyond the cap
  had=$deadline deadline=$((up + $1)); [ "$deadline" -le "$hard" ] || deadline=$hard
  save || { deadline=$had; return 1; }
}
do_extend() {
  this_deploy "$1"
  [ "$phase" = pending ] && alive ||
    refuse expired "deploy $1 is ${outcome:-overdue} here: it was not renewed in time"
  lasts "$2" || refuse disk "cannot write the record; the watchdog will revert this host"
}
do_confirm() {
  this_deploy "$1"
  [ "$outcome" = confirmed ] && return
  if [ "$good" != "$target" ] || [ "$phase" = pending ]; then
    [ "$phase" = pending ] && alive || refuse expired "deploy $1 went back before it was confirmed"
    phrases_of "$target"
    [ "$current" = "$target" ] && loaded "$target" || refuse unproven "the running process does not have $target"
    point good "$target" good.cfm || refuse disk "cannot move the good link" # <- the commit point
  fi
  finish_confirm
}
finish_confirm() { # bookkeeping only: the links agree
  [ -f history.cfm ] && mv -f history.cfm history
  settle cfm confirmed; sync_it "$ROOT"; note "confirmed deploy=$deploy good=$target"
}
do_revert() { # DEPLOY NUMBER COMMAND; also when the deploy never arrived: it must not arrive later
  load; adopted
  if [ "$deploy" = "$1" ]; then
    [ "$outcome" != confirmed ] || refuse mismatch "deploy $1 is already confirmed here"
    [ "$outcome" = reverted ] && ! in_flight && return
    go_back "asked to" || refuse stuck "$alarm"
    return
  fi
  [ "$2" -ge "$fence" ] || refuse stale "deploy $1 is older than $fence, which this host has seen"
  ! in_flight || refuse mismatch "deploy ${deploy:-unknown} is in flight here, not $1"
  deploy=$1 phase=idle outcome=reverted target=$good command=$3 deadline=0
  echo "$2" | put fence && save || refuse disk "cannot write the record"
}
