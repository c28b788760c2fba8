#!/bin/sh
# pre-receive and post-receive of the ledger's remote in the fault matrix. Stops at a record when a trap is set for it.
dir=@DIR@ kind=
while read -r old new ref; do
  : "$old"
  case $ref in refs/heads/deployments/*) ;; *) continue ;; esac
  case $(git log -1 --format=%s "$new") in *" begins to "*) kind=INTENT ;; "decided to "*) kind=DECISION ;; *) kind=OUTCOME ;; esac
done
case $0 in
  *post-receive)
    [ -e "$dir/lose.$kind" ] && mv "$dir/lose.$kind" "$dir/lost.$kind" || exit 0
    pid=$$ # the pusher never hears that it was done
    while [ "$pid" -gt 1 ]; do
      pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
      case $(tr '\0' ' ' < "/proc/$pid/cmdline") in "git push "*|*"/git push "*|"git -"*" push "*) kill -9 "$pid"; exit 0 ;; esac
    done
    exit 0 ;;
esac
if [ -n "$kind" ] && mv "$dir/trap.$kind" "$dir/hit.$kind" 2>/dev/null; then
  tries=0
  while [ ! -e "$dir/go" ] && [ $tries -lt 2400 ]; do tries=$((tries + 1)); sleep 0.05; done
fi
[ ! -e "$dir/slow" ] || sleep 4
[ ! -e "$dir/refuse" ] || { echo "this branch is protected" >&2; exit 1; }
exit 0
