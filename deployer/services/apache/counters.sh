# The counters of httpd. Given: DEST, STATUS.

service_counters() { # server-status knows nothing of caches, and is asked only where the configuration has it
  grep -rqs 'SetHandler.*server-status' "$DEST/" || return 1
  { curl -sf -m 5 "$STATUS" 2>/dev/null || wget -q -T 5 -O - "$STATUS" 2>/dev/null; } | awk '
    /^Total Accesses:/ { print "n", $3; found = 1 } /^RestartTime:/ { gsub(/[^0-9]/, "");
      print "since", $0 } END { exit !found }'
}
