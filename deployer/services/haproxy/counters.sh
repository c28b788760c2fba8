# The counters of HAProxy, asked of the stats socket of the worker that serves.

ask() { # SOCKET COMMAND
  if command -v socat >/dev/null 2>&1; then printf '%s\n' "$2" | socat -t 5 - "UNIX-CONNECT:$1"
  elif command -v perl >/dev/null 2>&1; then
    perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 1; print $s "$ARGV[1]\n";
      $s->flush; print while <$s>' "$1" "$2"
  else printf '%s\n' "$2" | curl -s -m 5 --unix-socket "$1" telnet://haproxy; fi 2>/dev/null
}
service_counters() { # per frontend requests and answers, look-ups where the cache is used, requests per server
  master=$(boss) && one=$(serving "$master" | head -n 1) && [ -n "$one" ] || return 1
  socket=$(told "$master" CLI | tr ';' '\n' | sed -n 's/^unix@//p' | head -n 1)
  case $socket in ""|*[!A-Za-z0-9._@+/-]*) return 1 ;; esac # what socat would read as more than a path
  ask "$socket" "show stat" | awk -F, -v since="$one$(started "$one")" '
    NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next }
    NF < 10 { next }
    { look += $at["cache_lookups"]; hit += $at["cache_hits"] }
    $2 == "FRONTEND" { n += $at["req_tot"]; err += $at["hrsp_5xx"]; next }
    $2 != "BACKEND" { orig += $at["req_tot"] }
    END { if (!("cache_hits" in at)) exit 1
      print "n", n + 0; print "err", err + 0; print "look", look + 0; print "miss", look - hit
      print "orig", orig + 0; print "since", since }'
}
