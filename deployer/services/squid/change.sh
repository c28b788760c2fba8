# What taking a release costs a running Squid. Given: SQUID.

# DIR: its lines, includes in place
parsed() { as_if_live "$1" "$SQUID" -k parse -f @/squid.conf | sed -n 's/.*| Processing: //p'; }
service_change() { # measured on 5.7: what a running squid leaves as it is, most of it without a word
  { parsed "$1"; echo --; parsed "$2"; } | awk '
    function keep(key, value) { all[key]; if (after) new[key] = value; else old[key] = value }
    $1 == "--" { after = 1 }
    $1 == "cache_dir" { keep($1 " " $3, $2 " " $5 " " $6) }
    $1 == "workers" || $1 == "max_filedescriptors" || $1 == "pid_filename" { keep($1, $2) }
    $1 ~ /^(store_id|url_rewrite)_(program|access|extras)$/ { made[$0] += after ? 1 : -1; by[$0] = $1 }
    $1 ~ /^https?_port$/ { $2 = ""; made[$0] += 0; if (!after) made[$0] = -1; else if (made[$0] < 0) made[$0] = 0;
      by[$0] = "a port" }
    END { for (line in made) if (made[line] != 0) cold = by[line] \
      " makes other URLs of requests, which are the key of the cache"
 for (key in all) if ((key in old) != (key in new) || old[key] != new[key]) {
        what = key ~ /^cache_dir/ ? " is added, removed or of another kind" : " changes"
        print "restart: " key what ", which a running squid does not take" (cold != "" ? "; cold: " cold : ""); exit }
      print cold != "" ? "cold: " cold : "reload" }'
}
