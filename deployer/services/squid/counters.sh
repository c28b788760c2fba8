# The counters of Squid, asked of itself.

fetch() { # URL, as one of our probes: the access log is not to count it
  if command -v curl >/dev/null 2>&1; then curl -s -f -m 5 --noproxy '*' -A deployer-probe "$1"
  else http_proxy='' wget -q -T 5 -U deployer-probe -O - "$1"; fi 2>/dev/null
}
service_counters() { # mgr:counters over the ports of its own; `http_access allow localhost manager` must be there
  master=$(boss) || return 1
  for one in $(sockets "$master" | cut -d' ' -f2); do
    host=127.0.0.1 hex=${one%:*}
    case $hex in *[!0]*) case $hex in ????????) ;; *) continue ;; esac # the kernel writes IPv4 with the last byte first
      third=$(echo "$hex" | cut -c3-4) second=$(echo "$hex" | cut -c5-6)
      host=$(printf '%d.%d.%d.%d' "0x${hex#??????}" "0x$second" "0x$third" "0x${hex%??????}") ;;
    esac
    fetch "http://$host:$(printf '%d' "0x${one##*:}")/squid-internal-mgr/counters" |
      awk -v since="$(kids "$master" | tail -n 1)" '
      $1 == "client_http.requests" { n = $3; print "n", n; print "look", n }
      $1 == "client_http.hits" { print "miss", n - $3 }
      $1 == "server.all.requests" { print "orig", $3; print "since", since } END { exit !(n != "") }' && return 0
  done
  return 1
}
