# What the kernel knows of a process: it cannot be misconfigured and needs no client on the host. Shared by the
# servers; POSIX sh for dash, busybox ash, bash and mksh. Needs /proc, and no tool beyond what hostctl needs.
# Given: DEST, ROOT; way_back: WAY of hostctl; startable: service_check of the server.

pause() { sleep 0.1 2>/dev/null || sleep 1; }
# FILE of /proc; without a program, for it is asked often
line_of() { line=; { read -r line < "$1"; } 2>/dev/null; [ -n "$line" ]; }
# ticks since boot: with the pid it names a process for good
started() { line_of "/proc/$1/stat" && set -- ${line##*) } && echo "${20}"; }
children() { line_of "/proc/$1/task/$1/children" && echo "$line"; }
alive() { # PID SINCE: the process that started then is there, whatever else cannot be read of it now
  line_of "/proc/${1:-0}/stat" && set -- "$2" ${line##*) } && [ "$2" != Z ] && [ "${21}" = "$1" ]
}
listed() { # PID FILE of NULs, one a line; a process in the middle of an exec has none: not known yet, so asked again
  tries=0
  until text=$(tr '\0' '\n' 2>/dev/null < "/proc/${1:-0}/$2") && [ -n "$text" ]; do
    line_of "/proc/${1:-0}/stat" || return 1
    tries=$((tries + 1)); [ $tries -lt 30 ] && lives ${line##*) } || return 1
    pause
  done
  printf '%s\n' "$text"
}
# of stat from the state on: one that has memory: no zombie, no thread of the kernel
lives() { [ "$1" != Z ] && [ "${21}" != 0 ]; }
words() { listed "${1:-0}" cmdline; } # of its command line
hears() { # PID NUMBER: it catches this signal; one that has not come to that yet, after an exec, would die of it
  { while read -r key value; do
    [ "$key" = SigCgt: ] &&
      { [ $((0x${value#????????} >> ($2 - 1) & 1)) = 1 ]; return; }; done < "/proc/$1/status"; } 2>/dev/null
  return 1
}
# PID: it sleeps, has taken every SIGHUP and blocks none: what it was told before is done (of one that blocks it at
# work)
waits() {
  { while read -r key value; do case $key in
      State:) case $value in S*) ;; *) return 1 ;; esac ;; # one that runs may have taken it a moment ago, and not begun
      ShdPnd: | SigBlk:) case $value in *[13579bdf]) return 1 ;; esac ;;
    esac; done < "/proc/$1/status"; } 2>/dev/null
}
# of what lies on the disk for the next reload: it changes with every edit, also with one that was taken back
imprint() {
  { TZ=UTC0; export TZ; stat -c '%i %z' "$ROOT/current"; cd "$ROOT/current/" && find . -exec stat -c '%n %i %z' {} + |
    sort
  } 2>/dev/null | sha256sum | cut -c1-16
}
# RELEASE PRINT: what a process reads that starts or reloads now; PRINT is "" where an older version remembered
untouched() {
  [ "$(readlink "$ROOT/current")" = "releases/$1" ] && { [ -z "$2" ] || [ "$2" = "$(imprint)" ]; }
}
way_back() { [ "${WAY:-forward}" = back ]; } # to what was good here: not held up by what belongs to going forward
untold() { way_back && [ "$1" -ge 124 ]; } # EXIT CODE of a check that could not be made (no tool, no room, no time)
startable() { # a living server is not stopped for what could not be started
  why=$(WAY=forward; service_check "$DEST/." 2>&1) || {
    echo "not stopped, for it could not be started: $why" >&2; return 1
  }
}
clock() { IFS=' .' read -r up rest < /proc/uptime; : "$rest"; } # up: seconds since the boot
limit() { clock; end=$((up + $1)); } # SECONDS for what follows: tries take longer where the processor is busy
in_time() { clock; [ "$up" -lt "$end" ]; }
listening() { # PID...: `inode address:port` (hexadecimal) of every TCP socket on which one of them accepts
  for pid in "$@"; do
    open=$(for table in tcp tcp6; do # listening sockets come first: busy servers have 100,000 others behind them
      awk '$4 == "0A" { print $10, $2; next } NR > 1 { exit }' "/proc/$pid/net/$table" 2>/dev/null; done | tr '\n' ' ')
    ls -l "/proc/$pid/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p' | awk -v open="$open" '
      BEGIN { n = split(open, word, " "); for (i = 1; i < n; i += 2) at[word[i]] = word[i + 1] }
      $1 in at { print $1, at[$1] }'
  done | sort -u
}
