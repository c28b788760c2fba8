
# --- the record of the deploy in flight or the last one; absent or torn: the two links decide
recall() { # the record alone, without a program: the watchdog asks every second
  phase=idle deploy="" command="" target="" outcome="" deadline=0 hard=0 boot="" end=""
  [ -f state ] && while IFS='=' read -r key value; do case $key in
    phase) phase=$value ;; deploy) deploy=$value ;; command) command=$value ;; target) target=$value ;;
    outcome) outcome=$value ;; deadline) deadline=$value ;; hard) hard=$value ;; boot) boot=$value ;; end) end=$value ;;
  esac; done < state
  [ "$end" = 1 ] || { phase=idle deploy="" deadline=0; }
}
load() {
  recall; link_of current; current=$to; link_of good; good=$to; fence=0
  [ -f fence ] && read -r fence < fence
  case $fence in ''|*[!0-9]*) fence=0 ;; esac
}
record() {
  printf 'phase=%s\ndeploy=%s\ncommand=%s\ntarget=%s\noutcome=%s\ndeadline=%s\nhard=%s\nboot=%s\nend=1\n' \
    "$phase" "$deploy" "$command" "$target" "$outcome" "$deadline" "$hard" "$boot"
}
save() { record | put state; }
in_flight() { [ "$phase" != idle ] || [ "$current" != "$good" ]; }
adopted() {
  [ -n "$good" ] && [ -n "$current" ] || refuse unadopted "nothing is adopted here"
  [ ! -f unadopt ] || refuse unadopted "deploy unadopt was cut off here: run it again"
}
this_deploy() {
  load; adopted
  [ "$deploy" = "$1" ] || refuse mismatch "deploy $1 is not the one here (${deploy:-none}, ${outcome:-$phase})"
}
settle() { # settle rvt|cfm OUTCOME: the last record of this deploy, ready-made where it is there
  if grep -q "^deploy=$deploy\$" "state.$1" 2>/dev/null; then mv -f "state.$1" state
  else phase=idle outcome=$2; save || :; fi
  rm -f current.rvt current.act good.cfm history.cfm state.rvt state.cfm
}
