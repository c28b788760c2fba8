# How a running Traffic Server takes a release, and what its diags.log says of it. Given: DEST, ROOT, CTL.

watched() { # PATH: the file whose reading again takes it; nothing where that is no file's business
  case $1 in
    records.config|trafficserver-release|README*) ;;
    parent.config|cache.config|ip_allow.yaml|hosting.config|sni.yaml|ssl_multicert.config|logging.yaml) echo "$1" ;;
    splitdns.config|socks.config) ;;
    *) echo remap.config ;;
  esac
}
outcome() { # FILE: read | refused | unread, as diags.log tells since $size
  tail -c +$((size + 1)) "$log" 2>/dev/null | awk -v file="$1" -v strict="$strict" '
    { name = ""; for (i = 1; i < NF; i++) if ($i ~ ("(^|/)" file "$") &&
      ($(i + 1) ~ /^(loading|finished|failed)$/)) { name = file; word = $(i + 1) } }
    name != "" && word == "loading" { begun = 1; state = "unread" }
    name != "" && word == "finished" && begun { state = "read" }
    name != "" && word == "failed" { state = "refused" }
    strict && /ERROR:.*discarding/ && index($0, "/" file " ") { dropped = 1 }
    END { print (state == "read" && dropped) ? "refused" : state == "" ? "unread" : state }'
}
refusal() { # what diags.log says against it
  tail -c +$((size + 1)) "$log" 2>/dev/null | grep -E 'ERROR:|WARNING:|FATAL:|EMERGENCY:' |
    grep -v 'connection throttle' |
    sed 's/^\[[^]]*\] \(\[[^]]*\]\|[^ ]*\) *[A-Z]*: //' | sed "s|$DEST/||g" | head -n 4
}
mismatch() { # the first record of the live file that the server does not have
  want=$(records "$DEST/records.config")
  # shellcheck disable=SC2046
  { printf '%s\n--\n' "$want"; ctl config get $(printf '%s\n' "$want" | cut -d' ' -f1); } | awk '
    function number(text,  unit) { unit = toupper(substr(text, length(text)))
      return text * (unit == "K" ? 1024 : unit == "M" ? 1048576 : unit == "G" ? 1073741824 : \
        unit == "T" ? 1099511627776 : 1) }
    $1 == "--" { after = 1; next }
    !after { name[++n] = $1; type[n] = $2; value[n] = substr($0, length($1) + length($2) + 3); next }
    { i = index($0, ": "); has[substr($0, 1, i - 1)] = substr($0, i + 2) }
    END { for (i = 1; i <= n; i++) { is = has[name[i]]
      if (!(name[i] in has)) ok = 0
      else if (type[i] == "STRING") ok = is == value[i] || (value[i] == "" && is == "NULL")
      else ok = value[i] ~ /^0x/ || number(value[i]) == number(is)
      if (!ok) { print name[i]; exit } } }'
}
defaults() { # records that some release here set and the live one does not name go back to their default
  gone=$({ records "$DEST/records.config"; echo --; records "$ROOT"/releases/*/records.config; } |
    awk '$1 == "--" { after = 1; next } !after { keep[$1] = 1; next } !($1 in keep) { print $1 }')
  [ -n "$gone" ] || return 0
  # shellcheck disable=SC2086
  { ctl config get $gone; echo --; ctl config defaults --records; } | awk '$1 == "--" { after = 1; next }
    !after { i = index($0, ": "); is[substr($0, 1, i - 1)] = substr($0, i + 2); next }
    { value = $0; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", value) } ($2 in is) && is[$2] != value { print $2, value }' |
    while read -r name value; do ctl config set "$name" "$value" >/dev/null || exit 1; done
}
service_reload() {
  old=$(server) || { echo "no traffic_server runs on $DEST" >&2; return 1; }
  was='' pid='' since=''; [ ! -f "$ROOT/loaded" ] || read -r was pid since more < "$ROOT/loaded"
  if [ -n "$was" ] && [ -d "$ROOT/releases/$was" ]; then
    needs=$(service_change "$ROOT/releases/$was" "$DEST/.")
    case $needs in restart*|lasting*) echo "a reload does not make it live; $needs" >&2; return 1 ;; esac
  fi
  if [ -n "$was" ] && [ -d "$ROOT/releases/$was" ] && [ "$pid $since" = "$old $(started "$old")" ]; then
    paths=$(differing "$ROOT/releases/$was" "$DEST/.")
  else paths=$(cd "$DEST" && find . -type f | sed 's|^\./||' |
    grep -vxE '\.manifest|(plugin|storage|volume)\.config|body_factory/.*'); fi
  rm -f "$ROOT/loaded"
  files=$(printf '%s\n' "$paths" | while IFS= read -r path; do watched "$path"; done | sort -u)
  # what was confirmed with discarded lines may come back with them
  strict=1; [ "$(readlink "$ROOT/good")" != "releases/$1" ] || strict=0
  log=$(diags) size=0; [ ! -f "$log" ] || size=$(wc -c < "$log")
  defaults || { echo "a record cannot be set back to its default" >&2; return 1; }
  for file in records.config $files; do [ ! -f "$DEST/$file" ] || touch "$DEST/$file"; done
  limit 15; born=$(started "$old")
  until ctl config reload >/dev/null; do
    alive "$old" "$born" && in_time || { echo "traffic_ctl cannot reach the server" >&2; return 1; }
    pause
  done
  while :; do
    left=
    [ "$(wc -c < "$log" 2>/dev/null || echo 0)" -ge "$size" ] || size=0 # rotated
    for file in $files; do
      [ -f "$DEST/$file" ] || continue
      case $(outcome "$file") in refused) echo "$file was refused: $(refusal)" >&2; return 1 ;; unread) left=$file ;;
      esac
    done
    [ -n "$left" ] || left=$(mismatch)
    alive "$old" "$born" || { echo "traffic_server died of the reload" >&2; return 1; }
    [ -n "$left" ] || { remember "$1" "$old"; return 0; }
    in_time || { echo "traffic_server did not take $left over" >&2; return 1; }
    pause
  done
}
