#!/bin/sh
# hostctl: the host side of deployer, protocol 1 (HOST_PROTOCOL.md). POSIX sh: dash, busybox ash, bash, mksh.
# usage: hostctl VERB ROOT [arguments]. Prints one line of JSON; exit 0 if ok, 1 if refused.
#
# current, good: links to a complete release, always replaced by rename. The commit point is the rename of `good`; all
# that a revert or a confirm needs is made at arm time, so both are renames and need no disk space. In doubt, go back.
main() {
set -u; umask 022; LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
trap '' HUP PIPE # the channel may die at any moment; what has begun is finished or reverted
T_CMD=20 T_PROVE=10 POLL=1 GRACE=5 ACK_TRIES=50
SELF=$0 verb=${1:-} ROOT=${2:-}
case $ROOT in /*/*) ;; *) refuse usage "root must be an absolute path" ;; esac
[ $# -ge 2 ] && shift 2
for tool in flock setsid timeout sha256sum tar awk sed find sync readlink; do
  command -v "$tool" >/dev/null 2>&1 || refuse missing "this host lacks $tool, without which nothing can be undone safely"
done
case $verb in
  survey) do_survey "${1:-}"; exit 0 ;;
  adopt) valid_deploy "${1:-}"; valid_number "${2:-}"; mkdir -p "$ROOT/releases" 2>/dev/null || refuse disk "cannot create $ROOT" ;;
esac
cd "$ROOT" 2>/dev/null || refuse unadopted "nothing is adopted here: $ROOT does not exist"
case $verb in
  stage) valid_release "${1:-}"; valid_group "${2:-}"; locked do_stage "$1" "${2:-}" ;;
  check) valid_release "${1:-}"; do_check "$1" ;; preview) do_preview ;;
  activate)
    valid_deploy "${1:-}"; valid_number "${2:-}"; valid_word "${3:-}"; valid_release "${4:-}"
    valid_number "${5:-}"; valid_number "${6:-}"; locked do_activate "$@" ;;
  extend) valid_deploy "${1:-}"; valid_number "${2:-}"; locked do_extend "$1" "$2" ;;
  confirm) valid_deploy "${1:-}"; locked do_confirm "$1" ;;
  revert) valid_deploy "${1:-}"; valid_number "${2:-}"; locked do_revert "$1" "$2" ;;
  prune) valid_number "${1:-}"; locked do_prune "$1" ;;
  adopt) locked do_adopt "$1" "$2" "${3:-}" ;;
  tick) locked do_tick ;; boot) BOOTING=1; locked do_tick ;;
  watch) valid_deploy "${1:-}"; do_watch "$1"; exit 0 ;;
  *) refuse usage "unknown verb" ;;
esac
load; answer
}

# --- words in, words out
refuse() { printf '{"ok":false,"proto":1,"code":"%s","error":"%s"}\n' "$1" "$(json_text "$2")" 2>/dev/null || :; exit 1; } # CODE TEXT
json_text() { case $1 in *[!A-Za-z0-9\ ._:/@,-]*) ;; *) printf '%.500s' "$1"; return ;; esac # most are plain
  printf '%s' "$1" | tr '\n\t' '  ' | tr -d '\000-\037\177' | cut -c1-500 | sed 's/\\/\\\\/g; s/"/\\"/g'; }
valid_release() {
  case $1 in [0-9a-f]*-[0-9a-f]*) ;; *) refuse usage "not a release id" ;; esac
  case $1 in *[!0-9a-f-]*|*-*-*) refuse usage "not a release id" ;; esac
  [ ${#1} -eq 19 ] || refuse usage "not a release id"
}
valid_number() { case $1 in ''|*[!0-9]*) refuse usage "not a number" ;; esac; [ ${#1} -le 12 ] || refuse usage "number too large"; }
valid_group() { case $1 in -*|*[!a-z0-9_-]*) refuse usage "not the name of a group" ;; esac; }
valid_word() { case $1 in push|rollback|adopt) ;; *) refuse usage "not a command word" ;; esac; }
valid_deploy() { case $1 in [0-9]*-[0-9a-f]*) ;; *) refuse usage "not a deploy id" ;; esac
  case $1 in *[!0-9a-f-]*) refuse usage "not a deploy id" ;; esac; [ ${#1} -le 32 ] || refuse usage "deploy id too long"; }

# --- time: the uptime clock, which no clock change moves
now() { IFS=' .' read -r up rest < /proc/uptime; : "$rest"; }
boot_id() { read -r boot_now < /proc/sys/kernel/random/boot_id; }
note() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >> events 2>/dev/null || :; }

# --- one verb at a time: flock on a file that is never deleted, that no other user can open (and so hold); its holder is written down for the words of a refusal
locked() {
  ( umask 077; : >> lock ) 2>/dev/null; command exec 9>>lock || refuse disk "cannot open the lock: read-only or full"
  if ! flock -n 9 9>&9 && ! timeout "${LOCK_WAIT:-$T_CMD}" flock 9 9>&9; then
    [ "${STEAL:-0}" = 1 ] && steal_lock || refuse busy "another verb is running: $(cat lock.holder 2>/dev/null)"
  fi
  echo "$$ $1" > lock.holder 2>/dev/null || :
  "$@"
  exec 9>&-
}
steal_lock() { # only the watchdog, only after the deadline: whoever has the lock open is killed, stopped or hung, never waited for
  me=$(exec sh -c 'echo "$PPID"') where=$(pwd -P); for fd in /proc/[0-9]*/fd/9; do
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
  for child in "$@"; do [ "$child" = "$$" ] || ( kill_tree "$child" ); done # the watchdog may be a child of the holder
}
service() { # service FUNCTION [ARG]: in a child shell, bounded, without the lock and without the caller's input
  timeout -k 2 "$T_CMD" sh -c '. "$1"; f=$2; shift 2; "$f" "$@"' sh "${PHRASES:-$ROOT/service}" "$@" 9>&- </dev/null
}

# --- durable and atomic
sync_it() { sync "$@" 2>/dev/null || sync; }
put() { cat > "$1.tmp" && sync_it "$1.tmp" && mv -f "$1.tmp" "$1" || { rm -f "$1.tmp"; return 1; }; }
link_of() { to=$(readlink "$1" 2>/dev/null) && to=${to#releases/} || to=""; }
point() { # point LINK RELEASE READY: by rename; READY was made at arm time
  link_of "$3"
  if [ "$to" = "$2" ]; then mv -T "$3" "$1"
  else rm -f "$1.new" && ln -s "releases/$2" "$1.new" && mv -T "$1.new" "$1"; fi && sync_it "$ROOT"
}
intact() { [ -f "releases/$1/.manifest" ] && ( cd "releases/$1" && sha256sum -c .manifest >/dev/null 2>&1 ); }

# --- the record of the deploy in flight or the last one; absent or torn: the two links decide
recall() { # the record alone, without a program: the watchdog asks every second
  phase=idle deploy="" command="" target="" outcome="" deadline=0 hard=0 boot="" end=""
  [ -f state ] && while IFS='=' read -r key value; do case $key in
    phase) phase=$value ;; deploy) deploy=$value ;; command) command=$value ;; target) target=$value ;;
    outcome) outcome=$value ;; deadline) deadline=$value ;; hard) hard=$value ;; boot) boot=$value ;; end) end=$value ;;
  esac; done < state
  [ "$end" = 1 ] || { phase=idle deploy="" deadline=0; }
}
load() { recall; link_of current; current=$to; link_of good; good=$to; fence=0
  [ -f fence ] && read -r fence < fence
  case $fence in ''|*[!0-9]*) fence=0 ;; esac
}
record() { printf 'phase=%s\ndeploy=%s\ncommand=%s\ntarget=%s\noutcome=%s\ndeadline=%s\nhard=%s\nboot=%s\nend=1\n' \
  "$phase" "$deploy" "$command" "$target" "$outcome" "$deadline" "$hard" "$boot"; }
save() { record | put state; }
in_flight() { [ "$phase" != idle ] || [ "$current" != "$good" ]; }
adopted() { [ -n "$good" ] && [ -n "$current" ] || refuse unadopted "nothing is adopted here"; }
settle() { # settle rvt|cfm OUTCOME: the last record of this deploy, ready-made where it is there
  if grep -q "^deploy=$deploy\$" "state.$1" 2>/dev/null; then mv -f "state.$1" state
  else phase=idle outcome=$2; save || :; fi
  rm -f current.rvt current.act good.cfm history.cfm state.rvt state.cfm
}

# --- the process
loaded() { has=$(service service_loaded 2>/dev/null) || :; [ "$has" = "$1" ]; } # RELEASE; has: what it has
apply() { # TO FROM [MAY_RESTART]: make the process use what `current` points at, and prove it; why: the reason if not
  how=reload
  if ! service service_running >/dev/null 2>&1; then how=start
  elif [ "${3:-0}" = 1 ]; then case $(service service_change "$ROOT/releases/$2" "$ROOT/releases/$1" 2>/dev/null) in restart*|lasting*) how=restart ;; esac; fi
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
  load; note "revert deploy=$deploy reason=$1 from=$current to=$good"
  intact "$good" || { stuck "the good release $good is corrupt; the service is left as it is"; return 1; }
  [ "${BOOTING:-0}" = 1 ] || said=$(service service_check "$ROOT/releases/$good" 2>&1) || # at boot no name resolves yet
    { stuck "the good release $good no longer validates ($said); the service is left as it is"; return 1; }
  loaded "$good" || rm -f loaded # before the link moves: an unknown process passes for what lies there
  [ "$current" = "$good" ] || point current "$good" current.rvt || { stuck "cannot move the link back"; return 1; }
  if [ "${BOOTING:-0}" = 1 ]; then service service_adopted "$good" >/dev/null 2>&1 || : # what starts next reads it from the disk
  elif [ "$has" != "$good" ] && ! apply "$good" "$current" 1; then stuck "the service does not come back with $good: $why"; return 1; fi
  settle rvt reverted; rm -f ALARM; sync_it "$ROOT"; note "reverted deploy=$deploy to=$good"
}
stuck() { alarm=$1; note "REVERT-FAILED $1"; printf '%s\n' "$1" > ALARM 2>/dev/null || :
  logger -p daemon.crit -t deployer "REVERT-FAILED $ROOT: $1" 2>/dev/null || :; }

# --- verbs
unpack() { # DIR: files, .manifest and .service as one tar on stdin; nothing that the manifest does not name
  said=$(tar -xof - -C "$1" 2>&1) || discard disk "cannot unpack the release: $said"
  [ -f "$1/.manifest" ] && [ -f "$1/.service" ] || discard usage "the stream lacks its manifest"
  [ -z "$(sed -n '/^[0-9a-f]\{64\}  [A-Za-z0-9_@+.][A-Za-z0-9._@+#/-]*$/!p; /  .*\.\.\//p; /\/\.\.$/p' "$1/.manifest")" ] ||
    discard usage "the manifest has a line that is not allowed"
  [ "$(cd "$1" && find . ! -type d | sed 's|^\./||' | sort)" = "$({ cut -c67- "$1/.manifest"; echo .manifest; echo .service; } | sort)" ] &&
    [ -z "$(find "$1" ! -type d ! -type f)" ] || discard usage "the stream has files that are not in its manifest"
  ( cd "$1" && sha256sum -c .manifest >/dev/null 2>&1 ) || discard corrupt "checksums differ after the transfer"
}
discard() { rm -rf "$new"; refuse "$@"; }
do_preview() { # what staging and activating it would mean, in a directory that is gone afterwards
  safe=$(mktemp -d) && new=$safe/tree && mkdir "$new" || refuse disk "cannot create a temporary directory"
  trap 'rm -rf "$safe"' EXIT # nothing of ours lies beside it, where another user could put a file of that name
  unpack "$new"; mv "$new/.service" "$safe/service"; PHRASES=$safe/service
  weigh "$new"
}
weigh() { # DIR: would it be accepted, and what would taking it cost the running process?
  said=$(service service_check "$1" 2>&1) || refuse invalid "${said:-the check failed or took longer than $T_CMD s}"
  change=$(service service_change "$(readlink -f "$ROOT/current")" "$1" 2>/dev/null | head -n 1)
}
do_stage() { # RELEASE [GROUP]; the same stream
  [ -z "$2" ] || umask 027; new=releases/.tmp.$1; mkdir -p releases; rm -rf "$new" && mkdir "$new" 2>/dev/null || refuse disk "cannot create $new: read-only or full"
  unpack "$new"
  put service < "$new/.service" && rm -f "$new/.service" || discard disk "cannot write the service functions"
  [ -z "$2" ] || { chgrp -R "$2" "$new" && chmod -R o-rwx "$new"; } 2>/dev/null || discard usage "cannot give the release to the group $2"
  if [ -d "releases/$1" ]; then
    if intact "$1"; then
      cmp -s "$new/.manifest" "releases/$1/.manifest" && { rm -rf "$new"; return; }
      discard corrupt "release $1 is here with other content: its variables changed"
    fi
    load; [ "$1" != "$current" ] && [ "$1" != "$good" ] || discard corrupt "release $1 is live and was edited"
    rm -rf "releases/$1"
  fi
  sync -f releases 2>/dev/null || sync
  mv -T "$new" "releases/$1" || refuse disk "cannot move the release into place"
  sync_it releases; note "staged $1"
}
do_check() {
  [ -d "releases/$1" ] || refuse missing "release $1 is not here"
  intact "$1" || refuse corrupt "release $1 is corrupt"
  weigh "$ROOT/releases/$1"
}
do_activate() { # DEPLOY NUMBER COMMAND RELEASE LEASE HARDCAP [restart]
  load; adopted
  if [ "$2" -lt "$fence" ] || { [ "$2" -eq "$fence" ] && [ "$1" != "$deploy" ]; }; then refuse stale "deploy $1 is older than $fence, which this host has seen"; fi
  if in_flight; then
    [ "$1" = "$deploy" ] || refuse busy "deploy ${deploy:-unknown} is in flight here"
    if [ "$phase" = pending ] && [ "$current" = "$target" ]; then now; [ "$up" -lt "$deadline" ] && loaded "$target" && return; fi
    go_back "activated again" || refuse stuck "$alarm"
    refuse unproven "an earlier activation of this deploy was cut off; the host went back"
  fi
  [ "$1" != "$deploy" ] || refuse mismatch "deploy $1 was already ${outcome:-settled} here"
  [ -d "releases/$4" ] || refuse missing "release $4 is not here"
  intact "$good" || refuse corrupt "no way back: the good release $good was edited or is corrupt"
  intact "$4" || refuse corrupt "release $4 is corrupt"
  said=$(service service_check "$ROOT/releases/$good" 2>&1) || refuse invalid "no way back: the good release $good no longer validates: $said"
  said=$(service service_check "$ROOT/releases/$4" 2>&1) || refuse invalid "${said:-the check failed or took longer than $T_CMD s}"
  arm "$@"
  start_watchdog "$1" || { go_back "no watchdog" || :; refuse missing "the watchdog did not report in: nothing was changed"; }
  point current "$target" current.act || { go_back "cannot switch" || refuse stuck "$alarm"; refuse disk "cannot move the link"; }
  note "switched deploy=$deploy to=$target"
  case $3/${7:-} in rollback/*|*/restart) may=1 ;; *) may=0 ;; esac
  if apply "$target" "$good" "$may"; then note "pending deploy=$deploy"; return; fi
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
  { cat history 2>/dev/null; echo "$2 $3 $4"; } | put history.cfm &&
    ( phase=idle outcome=reverted deadline=0; record ) | put state.rvt &&
    ( phase=idle outcome=confirmed deadline=0; record ) | put state.cfm && save || { rm -f state.rvt state.cfm; refuse disk "cannot write the record"; }
  sync_it "$ROOT"; note "armed deploy=$deploy good=$good target=$target"
}
start_watchdog() { # armed only when it has said so itself; the launcher's exit code proves nothing
  rm -f "wd.$1"
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1 &&
    systemd-run -q --collect --unit="deployer-${ROOT##*/}-$1" sh "$SELF" watch "$ROOT" "$1" >/dev/null 2>&1 9>&- </dev/null; then :
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
    [ "$up" -lt "$deadline" ] || ( locked do_tick ) >/dev/null 2>&1 # a subshell: a failed try must not end the watchdog
    sleep "$POLL"
  done
  rm -f "wd.$1"
}
this_deploy() { load; adopted; [ "$deploy" = "$1" ] || refuse mismatch "deploy $1 is not the one here (${deploy:-none}, ${outcome:-$phase})"; }
alive() { now; boot_id; [ "$boot" = "$boot_now" ] && [ "$up" -lt "$deadline" ]; }
do_extend() {
  this_deploy "$1"
  [ "$phase" = pending ] && alive || refuse expired "deploy $1 is ${outcome:-overdue} here: it was not renewed in time"
  deadline=$((up + $2)); [ "$deadline" -le "$hard" ] || deadline=$hard
  save || refuse disk "cannot write the record; the watchdog will revert this host"
}
do_confirm() {
  this_deploy "$1"
  [ "$outcome" = confirmed ] && return
  if [ "$good" != "$target" ] || [ "$phase" = pending ]; then
    [ "$phase" = pending ] && alive || refuse expired "deploy $1 went back before it was confirmed"
    [ "$current" = "$target" ] && loaded "$target" || refuse unproven "the running process does not have $target"
    point good "$target" good.cfm || refuse disk "cannot move the good link" # <- the commit point
  fi
  finish_confirm
}
finish_confirm() { # bookkeeping only: the links agree
  [ -f history.cfm ] && mv -f history.cfm history
  settle cfm confirmed; sync_it "$ROOT"; note "confirmed deploy=$deploy good=$target"
}
do_revert() { # DEPLOY NUMBER; also when the deploy never arrived: it must not arrive later
  load; adopted
  if [ "$deploy" = "$1" ]; then
    [ "$outcome" != confirmed ] || refuse mismatch "deploy $1 is already confirmed here"
    [ "$outcome" = reverted ] && ! in_flight && return
    go_back "asked to" || refuse stuck "$alarm"
    return
  fi
  [ "$2" -ge "$fence" ] || refuse stale "deploy $1 is older than $fence, which this host has seen"
  ! in_flight || refuse mismatch "deploy ${deploy:-unknown} is in flight here, not $1"
  deploy=$1 phase=idle outcome=reverted target=$good command=push deadline=0
  echo "$2" | put fence && save || refuse disk "cannot write the record"
}
do_tick() { # recover whatever is there: called by the watchdog, the minute tick and the boot unit
  load; boot_id; now
  [ -n "$good" ] || return 0
  if in_flight && [ "$phase" = pending ] && [ "$good" = "$target" ] && [ "$current" = "$target" ] && ! [ "$(readlink good.cfm)" ]; then
    finish_confirm; return 0 # died right after the commit point
  fi
  if [ "$phase" = idle ] && [ "$current" = "$good" ]; then return 0; fi
  if [ "$phase" != idle ] && [ "${BOOTING:-0}" != 1 ] && [ "$boot" = "$boot_now" ] && [ "$up" -lt "$deadline" ]; then return 0; fi
  go_back "not confirmed in time" || refuse stuck "$alarm"
}
do_prune() { # never current, good, the deploy's target, or the newest confirmed ones; and what a run that was cut off left
  load; adopted; ! in_flight || refuse busy "deploy $deploy is in flight here"
  rm -rf releases/.trash releases/.tmp.*; keep=" $current $good $target $(tail -n "$1" history 2>/dev/null | awk '{printf "%s ", $3}') "
  for old in releases/*; do
    case $keep in *" ${old#releases/} "*) ;; *) mv -T "$old" "releases/.trash" && rm -rf releases/.trash ;; esac
  done
}
do_adopt() { # DEPLOY NUMBER DEST; the service functions on stdin
  put service || refuse disk "cannot write in $ROOT: read-only or full"
  load; dest=$3
  if [ -n "$good" ] && [ "$(cat dest 2>/dev/null)" = "$dest" ] && [ ! -e "$dest" ] && [ -d "$dest.before-deployer" ]; then ln -s "$ROOT/current" "$dest"; fi
  if [ -n "$good" ] && [ "$(readlink "$dest" 2>/dev/null)" = "$ROOT/current" ]; then
    ! in_flight || refuse busy "deploy $deploy is in flight here"
    intact "$current" && [ -z "$(drift)" ] && return
    from=releases/$current # a hand edit on an adopted host becomes a release of its own
  else
    [ ! -h "$dest" ] || refuse usage "$dest is a link to somewhere else: adopt the directory it points to"
    [ -d "$dest" ] || refuse missing "$dest does not exist: install the service first"
    [ ! -e "$dest.before-deployer" ] || refuse usage "$dest.before-deployer is in the way"
    from=$dest
  fi
  take "$from"
  deploy=$1 command=adopt target=$id outcome=confirmed phase=idle deadline=0
  echo "$2" | put fence && echo "$dest" | put dest && { cat history 2>/dev/null; echo "$2 adopt $id"; } | put history || refuse disk "cannot write the record"
  point good "$id" none && point current "$id" none && save || refuse disk "cannot write the links"
  [ "$from" != "$dest" ] || { ln -s "$ROOT/current" "$dest.deployer-new" && mv -T "$dest" "$dest.before-deployer" &&
    mv -T "$dest.deployer-new" "$dest"; } || refuse disk "cannot put the link in place of $dest"
  [ "$from" = "$dest" ] || [ "$from" = "releases/$id" ] || rm -rf "$from" # edited it is no longer what its name says; who wants it back gets it staged
  service service_adopted "$id" >/dev/null 2>&1 || :
  layers_install; sync_it "$ROOT"; note "adopted $id from $from"
}
take() { # take DIR: its regular files, links dereferenced, modes kept, as a release; sets id
  new=releases/.tmp.adopt; rm -rf "$new"
  odd=$(find "$1/" ! -type d ! -type f ! -type l | head -n 1); [ -z "$odd" ] || refuse usage "$odd is no regular file"
  said=$(cp -pRL "$1/." "$new" 2>&1) || { rm -rf "$new"; refuse usage "cannot copy $1: $said"; }
  rm -f "$new/.manifest"
  odd=$(cd "$new" && { find . ! -type d ! -type f; find . -type f | sed -n '/^\.\/[A-Za-z0-9_@+.][A-Za-z0-9._@+#/-]*$/!p'; } | head -n 1) # again: what is copied may have changed
  [ -z "$odd" ] || { rm -rf "$new"; refuse usage "the file name $odd is not allowed, or it is no regular file"; }
  ( cd "$new" && find . -type f | sed 's|^\./||' | sort | xargs -r sha256sum ) > "releases/.manifest.adopt" || { rm -rf "$new"; refuse disk "cannot write the manifest"; }
  mv "releases/.manifest.adopt" "$new/.manifest"
  id=0000000000-$(sha256sum < "$new/.manifest" | cut -c1-8)
  if [ -d "releases/$id" ]; then ( cd "$new" && find . -type f -exec mv -fT {} "../$id/{}" \; ); rm -rf "$new" # a file that was made a link is one again
  else sync -f releases 2>/dev/null || sync; mv -T "$new" "releases/$id" || refuse disk "cannot move the release into place"; fi
}
layers_install() { # what revives a revert after the watchdog was killed, or a reboot; only on a real root
  case $ROOT in /var/lib/deployer/*) [ "$(id -u)" = 0 ] || return 0 ;; *) return 0 ;; esac
  name=deployer-${ROOT##*/}
  [ ! -d /etc/cron.d ] || echo "* * * * * root sh $SELF tick $ROOT >/dev/null 2>&1" > "/etc/cron.d/$name" || :
  [ -d /run/systemd/system ] || return 0
  printf '[Unit]\nDescription=revert unconfirmed configuration before the services start\nDefaultDependencies=no\nRequiresMountsFor=%s\nAfter=local-fs.target\nBefore=nginx.service varnish.service haproxy.service squid.service apache2.service httpd.service trafficserver.service\n[Service]\nType=oneshot\nExecStart=/bin/sh %s boot %s\n[Install]\nWantedBy=multi-user.target\n' \
    "$ROOT" "$SELF" "$ROOT" > "/etc/systemd/system/$name.service" && systemctl enable -q "$name.service" 2>/dev/null || :
}

# --- what is
drift() { # M, D, A lines of current against its manifest
  ( cd "releases/$current" && { find . -type f ! -path ./.manifest -exec sha256sum {} +; find . -type l; } ) 2>/dev/null |
    awk -v manifest="releases/$current/.manifest" 'BEGIN { while ((getline line < manifest) > 0) want[substr(line, 67)] = substr(line, 1, 64) }
      { link = /^\.\//; path = substr($0, link ? 3 : 69) # a release has no links: one is an edit, wherever it leads
        if (!(path in want)) print "A " path; else { if (link || want[path] != substr($0, 1, 64)) print "M " path; seen[path] = 1 } }
      END { for (path in want) if (!(path in seen)) print "D " path }' | sort
}
json_list() { awk '{ gsub(/[^A-Za-z0-9._@+#\/ :-]/, "?"); printf "%s\"%s\"", (NR > 1 ? "," : ""), $0 }'; }
do_survey() { # DEST, as an absolute path
  SURVEY=1 dest=$1
  if ! cd "$ROOT" 2>/dev/null || { load; [ -z "$good" ]; }; then
    where=absent; [ -e "$dest" ] && where=foreign
    printf '{"ok":true,"proto":1,"adopted":false,"dest":"%s"}\n' "$where"; return
  fi
  answer
}
answer() {
  now; dog=none left=0
  [ "$phase" = idle ] || { dog=dead left=$((deadline - up)); [ "$left" -gt 0 ] || left=0
    [ -s "wd.$deploy" ] && read -r pid < "wd.$deploy" && kill -0 "$pid" 2>/dev/null && dog=alive; }
  where=ours; [ -n "${dest:-}" ] || { dest=; [ ! -f dest ] || read -r dest < dest; }
  [ "$(readlink "$dest" 2>/dev/null)" = "$ROOT/current" ] || { where=absent; [ ! -e "$dest" ] || where=foreign; }
  alarm=; [ ! -f ALARM ] || alarm=$(cat ALARM); is=false; [ -z "$good" ] || is=true; has=; [ ! -f service ] || loaded "$current" || :
  printf '{"ok":true,"proto":1,"adopted":%s,"dest":"%s","phase":"%s","deploy":"%s","outcome":"%s","fence":%s,"current":"%s","good":"%s","loaded":"%s","target":"%s","left":%s,"watchdog":"%s","alarm":"%s"' \
    "$is" "$where" "$phase" "$deploy" "$outcome" "$fence" "$current" "$good" "$(json_text "$has")" "$target" "$left" "$dog" "$(json_text "$alarm")"
  printf ',"releases":[%s],"history":[%s],"free_kb":%s' "$(ls releases 2>/dev/null | json_list)" \
    "$(awk 'NF == 3 { printf "%s[%d,\"%s\",\"%s\"]", (n++ ? "," : ""), $1, $2, $3 }' history 2>/dev/null)" "$(df -Pk . | awk 'NR == 2 { print $4 + 0 }')"
  [ -z "${change:-}" ] || printf ',"change":"%s"' "$(json_text "$change")"
  if [ "${SURVEY:-0}" = 1 ]; then
    printf ',"files":{%s},"drift":[%s],"layers":["watchdog:%s","tick:%s","boot:%s"]' \
      "$(awk '{ printf "%s\"%s\":\"%s\"", (NR > 1 ? "," : ""), substr($0, 67), substr($0, 1, 64) }' "releases/$current/.manifest" 2>/dev/null)" "$(drift | json_list)" \
      "$([ -d /run/systemd/system ] && echo systemd || echo setsid)" "$([ -f "/etc/cron.d/deployer-${ROOT##*/}" ] && echo cron || echo none)" \
      "$([ -f "/etc/systemd/system/deployer-${ROOT##*/}.service" ] && echo unit || echo none)"
  fi
  printf '}\n'
}
main "$@"
exit $?
