# What taking a release costs a running httpd.

# DIR: what the parent reads once in its life, as `name value`; behind a `=` what tells where the cache has a page
fixed() {
  find "$1" -type f ! -path '*-available/*' ! -name .manifest -exec cat {} + | awk '
    { sub(/^[[:space:]]+/, ""); word = tolower($1) }
    word == "serverlimit" || word == "threadlimit" { print $1, $2 }
    word == "loadmodule" && $2 ~ /^mpm_/ { print "MPM", $2 }
    word ~ /^cache(root|keybaseurl|dirlevels|dirlength|ignorequerystring|ignoreurlsessionidentifiers)$/ {
      print "=", $0 }' | sort -u
}
service_change() { # measured: ServerLimit and ThreadLimit keep their first value, another MPM ends the server
  differs=$({ fixed "$1"; echo --; fixed "$2"; } | awk '
    { name = $1 == "=" ? $1 $2 : $1 }
    $1 == "--" { after = 1; next } { if (after) new[$0] = name; else old[$0] = name }
    END { for (one in old) if (!(one in new)) print old[one];
      for (one in new) if (!(one in old)) print new[one] }' | sort -u)
  cold=$(printf '%s\n' "$differs" | sed -n 's/^=//p' | head -n 1)
  fixed=$(printf '%s\n' "$differs" | grep -v '^=' | head -n 1)
  cold=${cold:+"cold: $cold changes, which tells where the cache has a page"}
  if [ -n "$fixed" ]; then echo "restart: $fixed changes, which httpd reads only when it starts${cold:+; $cold}"
  elif { [ -f "$1/envvars" ] || [ -f "$2/envvars" ]; } && ! cmp -s "$1/envvars" "$2/envvars"; then
    echo "restart: envvars changes, and a running httpd keeps its environment${cold:+; $cold}"
  else echo "${cold:-reload}"; fi
}
