# What taking a release costs a running Traffic Server. The key of its cache is the URL after remapping (measured on
# 9.2).

differing() { # OLD NEW (directories): paths that were added, changed or removed
  { ( cd "$1" && find . -type f ); ( cd "$2" && find . -type f ); } | sort -u | sed 's|^\./||' | grep -vx '\.manifest' |
    while IFS= read -r path; do cmp -s "$1/$path" "$2/$path" || printf '%s\n' "$path"; done
}
keys() { # DIR: what the URL that is looked up is made of: maps, whether the Host stays the visitor's, a cachekey plugin
  pristine=$(records "$1/records.config" | sed -n 's/^proxy.config.url_remap.pristine_host_hdr INT //p')
  echo "host ${pristine:=0}"
  sed 's/^[[:space:]]*//; /^#/d' "$1"/*.config 2>/dev/null | awk -v pristine="$pristine" '
    $1 ~ /^(map|regex_map|map_with_recv_port)$/ {
      if (pristine + 0) sub(/:\/\/[^\/]*/, "://", $3)
      print $1, $2, $3, (/cachekey/ ? $0 : ""); next }
    /cachekey/ { print }'
}
service_change() {
  paths=$(differing "$1" "$2")
  cold=$({ keys "$1"; echo --; keys "$2"; } | awk '$1 == "--" { after = 1; next }
    after { delete lost[$0]; next } { lost[$0] }
    END { for (one in lost) {
      print "cold: the URL that is looked up changes: a map, its cachekey plugin or pristine_host_hdr"; exit } }')
  case " $paths " in *hosting.config*) cold="cold: hosting.config changes, which tells where the cache has a page" ;;
  esac
  for path in $paths; do
    case $path in storage.config|volume.config)
      echo "lasting: $path changes, and Traffic Server starts with an empty cache; so it does on the way back"
      return ;;
    esac
  done
  for path in $paths; do
    case $path in
      plugin.config|socks.config|body_factory/*) echo "restart: $path is read only at the start${cold:+; $cold}"
        return ;;
      records.config) ;;
      *) grep -qsF "${path##*/}" "$2/plugin.config" && {
        echo "restart: $path belongs to a plugin of plugin.config, which reads it at the start${cold:+; $cold}"
        return
      } ;;
    esac
  done
  names=$({ records "$1/records.config"; echo --; records "$2/records.config"; } | awk '
    $1 == "--" { after = 1; next } { name = $1; if (after) { if (!(name in was) || was[name] != $0) print name;
      delete was[name] } else was[name] = $0 }
    END { for (name in was) print name }')
  [ -n "$names" ] || { echo "${cold:-reload}"; return; }
  # shellcheck disable=SC2086
  said=$(ctl config describe $names)
  static=$(printf '%s\n' "$said" | awk '/^Name/ { name = $3 } /^Update Type/ && /restart traffic/ { print name; exit }')
  [ -n "$said" ] || static=$(printf '%s\n' "$names" | head -n 1)
  [ -z "$static" ] || { echo "restart: $static is read only at the start${cold:+; $cold}"; return; }
  echo "${cold:-reload}"
}
