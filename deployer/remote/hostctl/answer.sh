
# --- what is
drift() { # M, D, A lines of current against its manifest
  ( cd "releases/$current" && { find . -type f ! -path ./.manifest -exec sha256sum {} +; find . -type l; }
  ) 2>/dev/null | awk -v manifest="releases/$current/.manifest" '
      BEGIN { while ((getline line < manifest) > 0) want[substr(line, 67)] = substr(line, 1, 64) }
      { link = /^\.\//; path = substr($0, link ? 3 : 69) # a release has no links: one is an edit, wherever it leads
        if (!(path in want)) print "A " path
        else { if (link || want[path] != substr($0, 1, 64)) print "M " path; seen[path] = 1 } }
      END { for (path in want) if (!(path in seen)) print "D " path }' | sort
}
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
  [ "$phase" = idle ] || {
    dog=dead left=$((deadline - up)); [ "$left" -gt 0 ] || left=0
    [ -s "wd.$deploy" ] && read -r pid < "wd.$deploy" && kill -0 "$pid" 2>/dev/null && dog=alive
  }
  where=ours; [ -n "${dest:-}" ] || { dest=; [ ! -f dest ] || read -r dest < dest; }
  linked "$dest" || { where=absent; [ ! -e "$dest" ] || where=foreign; }
  alarm=; [ ! -f ALARM ] || alarm=$(cat ALARM)
  is=false; [ -z "$good" ] || [ "$where" != ours ] || [ -f unadopt ] || is=true
  has=; phrases_of "$current"; [ ! -f "$PHRASES" ] || loaded "$current" || :
  printf '{"ok":true,"proto":1,"adopted":%s,"dest":"%s","phase":"%s","deploy":"%s","outcome":"%s","fence":%s' \
    "$is" "$where" "$phase" "$deploy" "$outcome" "$fence"
  printf ',"command":"%s","current":"%s","good":"%s","loaded":"%s","target":"%s"' \
    "$command" "$current" "$good" "$(json_text "$has")" "$target"
  printf ',"left":%s,"watchdog":"%s","alarm":"%s"' "$left" "$dog" "$(json_text "$alarm")"
  printf ',"releases":[%s],"history":[%s],"free_kb":%s' "$(ls releases 2>/dev/null | json_list)" \
    "$(awk 'NF == 3 { printf "%s[%d,\"%s\",\"%s\"]", (n++ ? "," : ""), $1, $2, $3 }' history 2>/dev/null)" \
    "$(df -Pk . | awk 'NR == 2 { print $4 + 0 }')"
  [ -z "${change:-}" ] || printf ',"change":"%s"' "$(json_text "$change")"
  [ "${SURVEY:-0}" != 1 ] || whole
  printf '}\n'
}
whole() { # what only a survey tells: it reads every file
  printf ',"files":{%s},"drift":[%s],"layers":["watchdog:%s","tick:%s","boot:%s"]' "$(files)" "$(drift | json_list)" \
    "$([ -d /run/systemd/system ] && echo systemd || echo setsid)" \
    "$([ -f "/etc/cron.d/deployer-${ROOT##*/}" ] && echo cron || echo none)" \
    "$([ -f "/etc/systemd/system/deployer-${ROOT##*/}.service" ] && echo unit || echo none)"
}
files() {
  awk '{ printf "%s\"%s\":\"%s\"", (NR > 1 ? "," : ""), substr($0, 67), substr($0, 1, 64) }' \
    "releases/$current/.manifest" 2>/dev/null
}
