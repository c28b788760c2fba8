# What taking a release costs a running nginx: read from the two configurations, for nginx itself tells neither that it
# refused a zone that moves nor that nothing in its cache is found any more under another key. Measured on 1.22: a zone
# whose size changes, whose `inactive` or `max_size` changes, keeps what it has.

caches() { # DIR: `zone NAME PATH LEVELS`, `use ZONE`, `key TEXT`, `pass HOST`, one for each directive that is in force
  find "$1" -type f ! -name .manifest ! -path '*-available/*' -exec awk '
    function told(text,  word, n, i, zone, levels) {
      gsub(/[ \t\r]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text)
      n = split(text, word, " ")
      if (word[1] !~ /^(proxy|fastcgi|uwsgi|scgi)_(cache|cache_path|cache_key|pass)$/) return
      if (word[1] ~ /_path$/) {
        zone = levels = ""
        for (i = 3; i <= n; i++) {
          if (word[i] ~ /^keys_zone=/) { zone = substr(word[i], 11); sub(/:.*/, "", zone) }
          if (word[i] ~ /^levels=/) levels = word[i]
        }
        print "zone", zone, word[2], levels
      } else if (word[1] ~ /_key$/) { sub(/^[^ ]+ /, "", text); gsub(/["\047]/, "", text); print "key", text }
      else if (word[1] == "proxy_pass") { sub(/^[a-z]*:\/\//, "", word[2]); sub(/\/.*/, "", word[2])
        print "pass", word[2] }
      else if (word[1] ~ /_cache$/ && word[2] != "off") print "use", word[2]
    }
    function bare(line,  kept) { # without its comment; a # in quotes begins none
      while (match(line, /(^|[ \t;}{])("([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047|#)/)) {
        if (substr(line, RSTART + RLENGTH - 1, 1) == "#") return kept substr(line, 1, RSTART + RLENGTH - 2)
        kept = kept substr(line, 1, RSTART + RLENGTH - 1); line = substr(line, RSTART + RLENGTH)
      }
      return kept line
    }
    FNR == 1 { rest = "" }
    { $0 = bare($0)
      while (match($0, /\$\{[A-Za-z0-9_]+\}/)) # ${name} is $name, and no block
        $0 = substr($0, 1, RSTART) substr($0, RSTART + 2, RLENGTH - 3) substr($0, RSTART + RLENGTH)
      rest = rest " " $0
      while (match(rest, /[;}{]/)) { told(substr(rest, 1, RSTART - 1)); rest = substr(rest, RSTART + 1) } }' {} +
}
service_change() {
  { caches "$1"; echo --; caches "$2"; } | awk '
    $1 == "--" { after = 1; next }
    { many[$0] += after ? 1 : -1 }
    $1 == "zone" { if (!after) place[$2] = $3 " " $4; else if (($2 in place) && place[$2] != $3 " " $4) moved = $2 }
    $1 == "use" && !after { caching = 1 }
    $1 == "key" && after { keyed = 1 }
    END {
      for (line in many) {
        kind = line; sub(/ .*/, "", kind); name = substr(line, length(kind) + 2)
        if (kind == "use" && many[line] > 0) gained = name
        if (kind == "use" && many[line] < 0) lost = name
        if (kind == "key" && many[line] != 0) key = 1
        if (kind == "pass" && many[line] < 0) pass = name
      }
      why = moved != "" ? "cache zone " moved " begins empty in its new place" \
        : gained != "" && lost != "" ? "cache zone " gained " takes the place of " lost \
        : key ? "the cache key changes" \
        : pass != "" && !keyed ? "proxy_pass names " pass " no more, which is part of the key where none is given" : ""
      if (!caching) why = ""
      if (moved != "") print "restart: the directory or levels of cache zone " moved " change, " \
        "and no reload makes that live" \
        (why != "" ? "; cold: " why : "")
      else print why != "" ? "cold: " why : "reload"
    }'
}
