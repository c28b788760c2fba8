#!/bin/sh
# Forced command of a host in the fault matrix: it stops at a verb when the harness has set a trap for it.
# trap.VERB: stop before it, trap.VERB.after: when it is done and its answer not sent. hit.*: somebody stands there.
# go: everybody goes on; go.VERB: who stands at that verb.
# A file `denied` answers as a sudo that wants a password; a file `env` changes the environment of the verb; a file
# `poison` is a script through which every answer goes, as on a host that somebody has taken over.
dir=@DIR@ line=$SSH_ORIGINAL_COMMAND
# what the deployer waits for before it believes an answer (remote/words.py)
begins='deployer: here the answer begins'
verb=$(printf '%s' "$line" | sed -n "s/' '//g;"'s/.*exec sh [^ ]*hostctl-[0-9a-f]* \([a-z]*\) .*/\1/p' | head -n 1)
stand() {
  [ -n "$verb" ] && mv "$dir/trap.$1" "$dir/taken.$1" 2>/dev/null || return 0
  echo $$ > "$dir/draft.$1" && mv "$dir/draft.$1" "$dir/hit.$1"
  tries=0
  while [ ! -e "$dir/go" ] && [ ! -e "$dir/go.$1" ] && [ $tries -lt 2400 ]; do tries=$((tries + 1)); sleep 0.05; done
}
stand "$verb"
if [ -e "$dir/denied" ]; then echo; echo "$begins"; echo "sudo: a password is required" >&2; exit 1; fi
# shellcheck disable=SC1091
[ ! -e "$dir/env" ] || . "$dir/env"
[ -e "$dir/trap.$verb.after" ] || [ -e "$dir/poison" ] || exec sh -c "$line"
said=$(sh -c "$line"); rc=$?
said=$(printf '%s\n' "$said" | sed "1,/^$begins\$/d")
stand "$verb.after"
echo; echo "$begins"
if [ -e "$dir/poison" ]; then printf '%s\n' "$said" | sh "$dir/poison"; else printf '%s\n' "$said"; fi
exit $rc
