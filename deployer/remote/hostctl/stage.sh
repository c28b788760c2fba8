
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
  weigh "$new"
}
weigh() { # DIR: would it be accepted, and what would taking it cost the running process?
  said=$(service service_check "$1" 2>&1) || refuse invalid "${said:-the check failed or took longer than $T_CMD s}"
  change=$(service service_change "$(readlink -f "$ROOT/current")" "$1" 2>/dev/null | head -n 1)
}
do_stage() { # RELEASE [GROUP]; the same stream
  [ -z "$2" ] || umask 027
  new=releases/.tmp.$1; mkdir -p releases
  rm -rf "$new" && mkdir "$new" 2>/dev/null || refuse disk "cannot create $new: read-only or full"
  unpack "$new"
  put service < "$new/.service" && rm -f "$new/.service" || discard disk "cannot write the service functions"
  [ -z "$2" ] || { chgrp -R "$2" "$new" && chmod -R o-rwx "$new"; } 2>/dev/null ||
    discard usage "cannot give the release to the group $2"
  if [ -d "releases/$1" ]; then
    if intact "$1"; then
      cmp -s "$new/.manifest" "releases/$1/.manifest" && { rm -rf "$new"; return; }
      discard corrupt "release $1 is here with other content: its variables changed"
    fi
    load; [ "$1" != "$current" ] && [ "$1" != "$good" ] || discard corrupt "release $1 is live and was edited"
    rm -rf "releases/$1"
  fi
  sync -f releases 2>/dev/null || sync
  mv -T "$new" "releases/$1" || refuse disk "cannot move the release into place"
  sync_it releases; note "staged $1"
}
do_check() {
  [ -d "releases/$1" ] || refuse missing "release $1 is not here"
  intact "$1" || refuse corrupt "release $1 is corrupt"
  weigh "$ROOT/releases/$1"
}
do_prune() { # never current, good, the deploy's target, or the newest confirmed ones; and what a cut-off run left
  load; adopted; ! in_flight || refuse busy "deploy $deploy is in flight here"
  rm -rf releases/.trash releases/.tmp.*
  keep=" $current $good $target $(tail -n "$1" history 2>/dev/null | awk '{printf "%s ", $3}') "
  for old in releases/*; do
    case $keep in
      *" ${old#releases/} "*) ;;
      *) mv -T "$old" "releases/.trash" && rm -rf releases/.trash ;;
    esac
  done
}
