
# --- a release comes, is checked, and goes
unpack() { # DIR: files, .manifest and .service as one tar on stdin; nothing that the manifest does not name
  said=$(tar -xof - -C "$1" 2>&1) || discard disk "cannot unpack the release: $said"
  [ -f "$1/.manifest" ] && [ -f "$1/.service" ] || discard usage "the stream lacks its manifest"
  odd='/^[0-9a-f]\{64\}  [A-Za-z0-9_@+.][A-Za-z0-9._@+#/-]*$/!p; /  .*\.\.\//p; /\/\.\.$/p'
  [ -z "$(sed -n "$odd" "$1/.manifest")" ] || discard usage "the manifest has a line that is not allowed"
  there=$(cd "$1" && find . ! -type d | sed 's|^\./||' | sort)
  named=$({ cut -c67- "$1/.manifest"; echo .manifest; echo .service; } | sort)
  [ "$there" = "$named" ] && [ -z "$(find "$1" ! -type d ! -type f)" ] ||
    discard usage "the stream has files that are not in its manifest"
  ( cd "$1" && sha256sum -c .manifest >/dev/null 2>&1 ) || discard corrupt "checksums differ after the transfer"
}
discard() { rm -rf "$new"; refuse "$@"; }
do_preview() { # what staging and activating it would mean, in a directory that is gone afterwards
  safe=$(mktemp -d) && new=$safe/tree && mkdir "$new" || refuse disk "cannot create a temporary directory"
  trap 'rm -rf "$safe"' EXIT # nothing of ours lies beside it, where another user could put a file of that name
  unpack "$new"; mv "$new/.service" "$safe/service"; PHRASES=$safe/service
  passes "$new" || refuse invalid "$said"
  weigh "$new"
}
weigh() { # DIR: what would taking it cost the running process?
  change=$(service service_change "$(readlink -f "$ROOT/current")" "$1" 2>/dev/null | head -n 1)
}
do_stage() { # RELEASE [GROUP]; the same stream
  [ -z "$2" ] || umask 027
  new=releases/.tmp.$1; mkdir -p releases
  rm -rf "$new" && mkdir "$new" 2>/dev/null || refuse disk "cannot create $new: read-only or full"
  unpack "$new"
  [ -z "$2" ] || { chgrp -R "$2" "$new" && chmod -R o-rwx "$new"; } 2>/dev/null ||
    discard usage "cannot give the release to the group $2"
  if [ -d "releases/$1" ]; then
    if intact "$1"; then
      cmp -s "$new/.manifest" "releases/$1/.manifest" && { renew "$1" "$new/.service"; rm -rf "$new"; return; }
      discard corrupt "release $1 is here with other content: its variables changed"
    fi
    load; [ "$1" != "$current" ] && [ "$1" != "$good" ] || discard corrupt "release $1 is live and was edited"
    rm -rf "releases/$1"
  fi
  keep_phrases "$1" "$new/.service"; rm -f "$new/.service"
  sync -f releases 2>/dev/null || sync
  mv -T "$new" "releases/$1" || refuse disk "cannot move the release into place"
  sync_it releases; note "staged $1"
}
acceptable() { # RELEASE: with its own phrases; one that was confirmed here has a right to those that work today
  if confirmed_here "$1"; then accepts "$1" "$good"; else accepts "$1"; fi || refuse invalid "$said"
}
do_check() {
  [ -d "releases/$1" ] || refuse missing "release $1 is not here"
  intact "$1" || refuse corrupt "release $1 is corrupt"
  load; acceptable "$1"
  weigh "$ROOT/releases/$1"
}
standing() { # where a rollback may go, oldest first: model/stand.py in awk
  awk 'NF == 3 {
      name = $3 ~ /^0000000000-/ ? "adopted" : $3; at = 0
      for (k = 1; k <= n; k++) if (stack[k] == name) at = k
      if ($2 == "adopt") { # what was found before anything was pushed; a hand edit that was adopted later is no step
        if (!pushed) id[name] = $3
        if (!at) { for (k = ++n; k > 1; k--) stack[k] = stack[k - 1]; stack[1] = name }
        next
      }
      pushed = 1
      if (at && $2 == "rollback") { n = at; next }
      if (at) { for (k = at; k < n; k++) stack[k] = stack[k + 1]; n-- }
      if ($2 == "away") { away = $1; next }
      if ($2 == "rollback" && away != $1 && n) n--
      if (name != "adopted") id[name] = $3
      stack[++n] = name
    } END { for (k = 1; k <= n; k++) if (id[stack[k]]) print id[stack[k]] }' history 2>/dev/null
}
do_prune() { # KEEP: never current, good, the deploy's target, or the newest standing ones; and what a cut-off run left
  load; adopted; ! in_flight || refuse busy "deploy $deploy is in flight here"
  rm -rf releases/.trash releases/.tmp.*
  keep=" $current $good $target $(standing | tail -n "$1" | tr '\n' ' ') "
  for old in releases/*; do
    case $keep in
      *" ${old#releases/} "*) ;;
      *) mv -T "$old" "releases/.trash" && rm -rf releases/.trash ;;
    esac
  done
  for old in phrases/*; do [ -d "releases/${old#phrases/}" ] || rm -f "$old"; done
  rm -f wd.* # of watchdogs that were killed: nothing is in flight
  shorten history; shorten events
}
shorten() { # FILE: twice as long as is kept, it loses its older lines, and never what says how the host was found
  lines=$(wc -l < "$1" 2>/dev/null) && [ "$lines" -gt $((LINES_KEPT * 2)) ] || return 0
  awk -v from=$((lines - LINES_KEPT)) 'NR > from || ($2 == "adopt" && !past) { print; next } { past = 1 }' \
    "$1" > "$1.tmp" && sync_it "$1.tmp" && mv -f "$1.tmp" "$1" || rm -f "$1.tmp"
}
