
# --- what lies on the host becomes its first release
do_adopt() { # DEPLOY NUMBER DEST; the service functions on stdin
  [ "$(pwd -P)" = "$(readlink -f "$ROOT")" ] || refuse busy "deploy unadopt was at work here: run deploy adopt again"
  new=phrases/.adopt; mkdir -p phrases && put "$new" || refuse disk "cannot write in $ROOT: read-only or full"
  load; dest=$3
  [ ! -f unadopt ] || decline busy "deploy unadopt was cut off here: run it again, then deploy adopt"
  [ -z "$good" ] || [ "$(cat dest 2>/dev/null)" != "$dest" ] || reconnect || decline disk "cannot make the link $dest"
  if [ -n "$good" ] && linked "$dest"; then
    ! in_flight || decline busy "deploy $deploy is in flight here"
    [ ! -f adopting ] || settle_in
    intact "$current" && [ -z "$(drift)" ] && { renew "$current" "$new"; rm -f "$new"; return; }
    from=releases/$current # a hand edit on an adopted host becomes a release of its own
  else
    can_adopt "$dest"; from=$dest
  fi
  take "$from"
  mv -f phrases/.adopt "phrases/$id" || refuse disk "cannot write in $ROOT: read-only or full"
  [ -f service ] || put service < "phrases/$id" || : # where an agent before this one looks for them
  phrases_of "$id"
  deploy=$1 command=adopt target=$id outcome=confirmed phase=idle deadline=0
  echo "$2" | put fence && echo "$dest" | put dest && put adopting < /dev/null &&
    { [ -z "$good" ] || cat history 2>/dev/null; echo "$2 adopt $id"; } | put history ||
    refuse disk "cannot write the record"
  # a tick looks after what has a `good`: on a first adoption it finds the rest there already
  { [ -n "$good" ] || point current "$id" none; } && save && point good "$id" none && point current "$id" none ||
    refuse disk "cannot write the links"
  layers_install
  [ "$from" != "$dest" ] || switch
  # edited it is no longer what its name says; who wants it back gets it staged
  [ "$from" = "$dest" ] || [ "$from" = "releases/$id" ] || rm -rf "$from"
  note "adopted $id from $from"; load; settle_in
}
decline() { rm -rf releases/.tmp.adopt releases/.manifest.adopt phrases/.adopt; refuse "$@"; } # leaves nothing behind
linked() { [ "$(readlink "$1" 2>/dev/null)" = "$ROOT/current" ]; }
can_adopt() { # DEST: a directory of its own, that nobody else has
  real=$(readlink -f "$1") base=$(readlink -f "${ROOT%/*}")
  case $base/ in "$real"/*) decline usage "what deployer keeps on this host lies below $1" ;; esac
  case $real/ in "$base"/*)
    its=${real#"$base"/}
    decline usage "$1 lies in a release of the playbook ${its%%/*}: it belongs to that playbook" ;;
  esac
  [ ! -h "$1" ] || decline usage "$1 is a link to somewhere else: adopt the directory it points to"
  [ -d "$1" ] || decline missing "$1 does not exist: install the service first"
  [ ! -e "$1.before-deployer" ] || decline usage "$1.before-deployer is in the way"
  for its in "${ROOT%/*}"/*/dest; do # what is adopted already, by us elsewhere or by others below it
    [ -f "$its" ] && read -r theirs < "$its" || continue
    [ "$(readlink "$theirs" 2>/dev/null)" = "${its%/dest}/current" ] || continue
    [ "${its%/dest}" != "$ROOT" ] || decline usage "this playbook has $theirs here: deploy unadopt it there first"
    case $(readlink -f "${theirs%/*}")/ in "$real"/*)
      its=${its%/dest}; decline usage "the playbook ${its##*/} has $theirs, which lies below $1" ;;
    esac
  done
}
switch() { # no rename replaces a directory: who is killed between the two is still `adopting`, and a tick ends it
  mv -T "$dest" "$dest.before-deployer" || refuse disk "cannot move $dest aside"
  ln -sT "$ROOT/current" "$dest" ||
    { mv -T "$dest.before-deployer" "$dest" || :; refuse disk "cannot put the link in place of $dest"; }
}
reconnect() { # an adoption that was killed between the two
  [ -e "$dest" ] || [ -h "$dest" ] || [ ! -d "$dest.before-deployer" ] || ln -sT "$ROOT/current" "$dest"
}
settle_in() { # the process read what is now the release
  phrases_of "$current"
  service service_adopted "$current" >/dev/null 2>&1 || :
  sync_it "${dest%/*}"; sync_it "$ROOT"; rm -f adopting
}
odd_files() { # DIR: what no release can hold, as one sentence: odd names, other kinds of files, links to nowhere
  ( cd "$1" && {
    find -L . ! -type d ! -type f
    find -L . -type f \( -path '*[!A-Za-z0-9._@+#/-]*' -o -path './[#-]*' \)
  } ) 2>/dev/null | sed 's|^\./||' | sort -u |
    awk 'NR <= 10 { list = list (NR > 1 ? ", " : "") $0 }
    END { if (NR) print "not allowed in a release, " NR " in all: " list (NR > 10 ? ", ..." : "") \
      " (a name with other signs than A-Z a-z 0-9 . _ @ + # -, no regular file, or a link to nowhere)" }'
}
contents() { # DIR: its manifest, links followed
  ( cd "$1" && find -L . -type f ! -path ./.manifest -exec sha256sum {} + ) 2>/dev/null |
    sed 's|^\(.\{64\}  \)\./|\1|' | sort -k 2
}
take() { # take DIR: its regular files, links dereferenced, modes kept, as a release; sets id
  new=releases/.tmp.adopt; rm -rf "$new"
  odd=$(odd_files "$1"); [ -z "$odd" ] || decline usage "$1 has what is $odd"
  said=$(cp -pRL "$1/." "$new" 2>&1) || decline usage "cannot copy $1: $said"
  rm -f "$new/.manifest"
  odd=$(odd_files "$new"); [ -z "$odd" ] || decline usage "$1 has what is $odd" # again: it may have changed
  contents "$new" > releases/.manifest.adopt && mv releases/.manifest.adopt "$new/.manifest" ||
    decline disk "cannot write the manifest"
  id=0000000000-$(sha256sum < "$new/.manifest" | cut -c1-8)
  if [ -d "releases/$id" ]; then # a file that was made a link is one again
    ( cd "$new" && find . -type f -exec mv -fT {} "../$id/{}" \; ); rm -rf "$new"
  else
    sync -f releases 2>/dev/null || sync
    mv -T "$new" "releases/$id" || decline disk "cannot move the release into place"
  fi
}
layered() { case $ROOT in /var/lib/deployer/*) [ "$(id -u)" = 0 ] ;; *) false ;; esac; } # a real root
layers_install() { # what revives a revert after the watchdog was killed, or a reboot; only on a real root
  layered || return 0
  name=deployer-${ROOT##*/}
  [ ! -d /etc/cron.d ] || echo "* * * * * root sh $SELF tick $ROOT >/dev/null 2>&1" > "/etc/cron.d/$name" || :
  [ -d /run/systemd/system ] || return 0
  boot_unit > "/etc/systemd/system/$name.service" && systemctl enable -q "$name.service" 2>/dev/null || :
}
boot_unit() {
  cat <<UNIT
[Unit]
Description=revert unconfirmed configuration before the services start
DefaultDependencies=no
RequiresMountsFor=$ROOT
After=local-fs.target
Before=nginx.service varnish.service haproxy.service squid.service apache2.service httpd.service trafficserver.service
[Service]
Type=oneshot
ExecStart=/bin/sh $SELF boot $ROOT
[Install]
WantedBy=multi-user.target
UNIT
}
