#!/bin/sh
# Reads access logs as counts (remote/logs.py says how); POSIX sh, sent as text, nothing is installed. root and cap
# (bytes of one log in one read) are set before it; a loop with calls of follow and run comes after it. Each call prints
# one line of JSON; awk's own object is in it.
: "${root:?}" "${cap:?}"
set -u; umask 077; LC_ALL=C; export LC_ALL
begin() { # STATE INODE START SKIPPED ROTATED
  link=$(readlink "$root/current" 2>/dev/null) && link=${link#releases/} || link=
  case $link in *[!0-9a-f-]*) link= ;; esac
  printf '{"release":"%s","state":"%s","inode":%s,"start":%s,"skipped":%s,"rotated":%s,"log":' \
    "$link" "$1" "$2" "$3" "$4" "$5"
}
nothing() { begin "$1" 0 0 0 false; echo 'null}'; }
look() { # FD: ino and size of what is open there, wherever its name is now
  # shellcheck disable=SC2046
  set -- $(ls -Lind "/proc/self/fd/$1" 2>/dev/null)
  ino=${1:-0} size=${6:-0}
}
bytes() { # FROM COUNT: of standard input; dd seeks, where some tails read on
  [ "$2" -gt 0 ] || return 0
  dd bs=65536 skip=$(($1 / 65536)) 2>/dev/null | tail -c +$(($1 % 65536 + 1)) | head -c "$2"
}
count() { tr '\000' ' ' | awk -v total="$1" -v drop="$2" -v cap="$cap" "$3"; echo '}'; }
follow() { # PATH INODE OFFSET PROGRAM
  path=$1 rest=0 rotated=false
  if [ ! -e "$path" ] && [ -f "$path.1" ] && [ -r "$path.1" ]; then # renamed, and the new one is not there yet
    { look 4; } 4< "$path.1"; [ "$ino" != "$2" ] || path=$path.1
  fi
  if [ ! -e "$path" ]; then
    folder=${path%/*}
    while [ -n "$folder" ]; do
      if [ -d "$folder" ] && [ ! -x "$folder" ]; then nothing unreadable; return; fi
      folder=${folder%/*}
    done
    nothing missing; return
  fi
  [ -f "$path" ] || { nothing "not a file"; return; }
  [ -r "$path" ] || { nothing unreadable; return; }
  { opened "$2" "$3" "$4"; } 3< "$path" || nothing unreadable
}
opened() { # INODE OFFSET PROGRAM; the log on descriptor 3
  look 3
  if [ "$1" = 0 ]; then begin ok "$ino" "$size" 0 false; echo 'null}'; return; fi # from its end on
  if [ "$1" = "$ino" ] && [ "$2" -le "$size" ]; then
    part "$ino" "$2" "$((size - $2))" "$3"; return
  fi
  [ "$1" = "$ino" ] || [ "$1" -lt 0 ] || rotated=true
  if [ "$1" = "$ino" ]; then # cut off where it lay: what was written before that cannot be told from what was read
    rotated=true; part "$ino" 0 "$size" "$3"; return
  fi
  if [ -f "$path.1" ] && [ -r "$path.1" ]; then
    { before "$1" "$2" "$3"; } 4< "$path.1"; return
  fi
  part "$ino" 0 "$size" "$3"
}
before() { # INODE OFFSET PROGRAM; PATH.1 on descriptor 4
  new=$ino fresh=$size; look 4
  if [ "$ino" != "$1" ] || [ "$2" -gt "$size" ]; then part "$new" 0 "$fresh" "$3"; return; fi
  if [ "$fresh" = 0 ]; then # nothing in the new one yet: the server may still write to the old one
    exec 3<&4; rotated=false; part "$ino" "$2" "$((size - $2))" "$3"; return
  fi
  rest=$((size - $2)) skipped=0
  if [ $((rest + fresh)) -gt "$cap" ]; then part "$new" 0 "$fresh" "$3"; return; fi
  begin ok "$new" "-$rest" 0 true
  { bytes "$2" "$rest" <&4; bytes 0 "$fresh" <&3; } | count $((rest + fresh)) 0 "$3"
}
part() { # INODE START COUNT PROGRAM: of descriptor 3
  from=$2 many=$3 skipped=0 drop=0
  if [ "$many" -gt "$cap" ]; then skipped=$((many - cap)) from=$((from + many - cap)) many=$cap drop=1; fi
  begin ok "$1" "$from" "$skipped" "$rotated"
  bytes "$from" "$many" <&3 | count "$many" "$drop" "$4"
}
run() { # COMMAND PROGRAM
  begin ok 0 0 0 false
  { sh -c "$1" 2>/dev/null </dev/null; printf '\n\001exit %d\n' $?; } | head -c $((8 * cap)) | count -1 0 "$2"
}
