
# --- what was adopted becomes a plain directory again. `unadopt` is the commit point: from there on only forward
do_unadopt() { # DEPLOY NUMBER DEST
  [ "$(pwd -P)" = "$(readlink -f "$ROOT")" ] || return 0 # another one was faster
  load; dest=$3
  [ ! -f dest ] || [ "$(cat dest)" = "$dest" ] || refuse usage "what is adopted here is $(cat dest), not $dest"
  if [ ! -f unadopt ]; then
    [ "$2" -ge "$fence" ] || refuse stale "deploy $1 is older than $fence, which this host has seen"
    choose_tree
    echo "$tree" | put unadopt || refuse disk "cannot write in $ROOT: read-only or full"
    note "unadopted as deploy=$1: $tree"; layers_install # of this version: it knows how to end it
  fi
  give_back
}
choose_tree() { # tree: what goes to dest: before-deployer, deployer-new, or none where dest was never touched
  [ -z "$good" ] || ! in_flight || refuse busy "deploy $deploy is in flight here: wait for it, or run deploy abort"
  if linked "$dest" || { [ -n "$good" ] && [ ! -e "$dest" ] && [ ! -h "$dest" ]; }; then
    adopted
    intact "$current" && [ -z "$(drift)" ] || refuse drift "$current was edited by hand: undo that, or run deploy adopt"
    tree=before-deployer
    holds "$dest.before-deployer" || { build_tree; tree=deployer-new; }
  else
    [ ! -e "$dest.before-deployer" ] ||
      refuse usage "$dest is not our link, and $dest.before-deployer is there: put one of them in place"
    tree=none
  fi
}
holds() { # DIR: exactly what is live, and no link that leads nowhere
  [ -d "$1" ] && [ "$(contents "$1")" = "$(sort -k 2 "releases/$current/.manifest")" ] &&
    [ -z "$(find -L "$1" -type l 2>/dev/null)" ]
}
build_tree() { # what is live, with the links, modes, owners and times of before wherever the content is the same
  sort -k 2 "releases/$current/.manifest" | put unadopt.live || refuse disk "cannot write in $ROOT: read-only or full"
  tree=$dest.deployer-new; rm -rf "$tree"
  if [ -d "$dest.before-deployer" ]; then cp -a "$dest.before-deployer" "$tree"; else mkdir "$tree"; fi 2>/dev/null ||
    { unbuild_tree; refuse disk "cannot write $tree"; }
  for round in 1 2 3; do # first a link stays: what it leads to may change with it; then it goes, and what it had comes
    contents "$tree" | sort - unadopt.live | uniq -u | cut -c67- | sort -u | while IFS= read -r path; do
      clear_way "$path" && [ -f "releases/$current/$path" ] && echo "$path"
    done > unadopt.files
    ( cd "releases/$current" && xargs -r -n 500 sh -c 'tar -cf - "$@" | tar -xpf - -C "$0"' "$tree" ) < unadopt.files
    ! holds "$tree" || break
  done
  holds "$tree" || { # whatever lay there: plain files then
    rm -rf "$tree" && cp -pR "releases/$current" "$tree" && rm -f "$tree/.manifest"
  }
  holds "$tree" || { unbuild_tree; refuse disk "cannot write $tree"; }
  sync -f "$tree" 2>/dev/null || sync
}
unbuild_tree() { rm -rf "$dest.deployer-new" unadopt.live unadopt.files; }
clear_way() { # PATH below $tree: nothing in its place, and no file or link on the way to it; false: a link, which stays
  way=$tree rest=$1
  while :; do
    case $rest in */*) ;; *) break ;; esac
    way=$way/${rest%%/*} rest=${rest#*/}
    [ ! -h "$way" ] || [ "$round" -gt 1 ] || return 1
    [ -d "$way" ] && [ ! -h "$way" ] || { rm -f "$way"; return; }
  done
  [ ! -h "$way/$rest" ] || [ "$round" -gt 1 ] || return 1
  rm -rf "${way:?}/$rest"
}
give_back() { # by the verb, and by a tick after that was killed: any of it may be done already
  read -r tree < unadopt; [ -n "${dest:-}" ] || read -r dest < dest
  if [ "$tree" != none ]; then
    if [ -d "$dest.$tree" ]; then
      ! linked "$dest" || rm -f "$dest"
      mv -T "$dest.$tree" "$dest" || refuse disk "cannot move $dest.$tree to $dest"
      sync_it "${dest%/*}"
    fi
    [ -d "$dest" ] && [ ! -h "$dest" ] || refuse missing "$dest.$tree is gone: $ROOT/current has what was live"
    rm -rf "$dest.before-deployer"
  fi
  layers_remove
  cd / && forget_root
}
layers_remove() {
  layered || return 0
  name=deployer-${ROOT##*/}
  rm -f "/etc/cron.d/$name"
  [ ! -f "/etc/systemd/system/$name.service" ] || {
    systemctl disable -q "$name.service" 2>/dev/null || :
    rm -f "/etc/systemd/system/$name.service"
  }
}
forget_root() { # whole or not at all, for whoever looks
  gone=${ROOT%/*}/.${ROOT##*/}.unadopted
  rm -rf "$gone"
  [ ! -d "$ROOT" ] || { mv -T "$ROOT" "$gone" || refuse disk "cannot remove $ROOT"; rm -rf "$gone"; }
}
