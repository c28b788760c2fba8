
# --- what lies on the host becomes its first release
do_adopt() { # DEPLOY NUMBER DEST; the service functions on stdin
  new=phrases/.adopt; mkdir -p phrases && put "$new" || refuse disk "cannot write in $ROOT: read-only or full"
  load; dest=$3
  if [ -n "$good" ] && [ "$(cat dest 2>/dev/null)" = "$dest" ] && [ ! -e "$dest" ] &&
    [ -d "$dest.before-deployer" ]; then
    ln -s "$ROOT/current" "$dest"
  fi
  if [ -n "$good" ] && [ "$(readlink "$dest" 2>/dev/null)" = "$ROOT/current" ]; then
    ! in_flight || discard busy "deploy $deploy is in flight here"
    intact "$current" && [ -z "$(drift)" ] && { renew "$current" "$new"; rm -f "$new"; return; }
    from=releases/$current # a hand edit on an adopted host becomes a release of its own
  else
    [ ! -h "$dest" ] || refuse usage "$dest is a link to somewhere else: adopt the directory it points to"
    [ -d "$dest" ] || refuse missing "$dest does not exist: install the service first"
    [ ! -e "$dest.before-deployer" ] || refuse usage "$dest.before-deployer is in the way"
    from=$dest
  fi
  take "$from"
  mv -f phrases/.adopt "phrases/$id" || refuse disk "cannot write in $ROOT: read-only or full"
  [ -f service ] || put service < "phrases/$id" || : # where an agent before this one looks for them
  phrases_of "$id"
  deploy=$1 command=adopt target=$id outcome=confirmed phase=idle deadline=0
  echo "$2" | put fence && echo "$dest" | put dest &&
    { cat history 2>/dev/null; echo "$2 adopt $id"; } | put history || refuse disk "cannot write the record"
  point good "$id" none && point current "$id" none && save || refuse disk "cannot write the links"
  [ "$from" != "$dest" ] || {
    ln -s "$ROOT/current" "$dest.deployer-new" && mv -T "$dest" "$dest.before-deployer" &&
      mv -T "$dest.deployer-new" "$dest"
  } || refuse disk "cannot put the link in place of $dest"
  # edited it is no longer what its name says; who wants it back gets it staged
  [ "$from" = "$dest" ] || [ "$from" = "releases/$id" ] || rm -rf "$from"
  service service_adopted "$id" >/dev/null 2>&1 || :
  layers_install; sync_it "$ROOT"; note "adopted $id from $from"
}
take() { # take DIR: its regular files, links dereferenced, modes kept, as a release; sets id
  new=releases/.tmp.adopt; rm -rf "$new"
  odd=$(find "$1/" ! -type d ! -type f ! -type l | head -n 1); [ -z "$odd" ] || refuse usage "$odd is no regular file"
  said=$(cp -pRL "$1/." "$new" 2>&1) || { rm -rf "$new"; refuse usage "cannot copy $1: $said"; }
  rm -f "$new/.manifest"
  odd=$(cd "$new" && { # again: what is copied may have changed
    find . ! -type d ! -type f
    find . -type f | sed -n '/^\.\/[A-Za-z0-9_@+.][A-Za-z0-9._@+#/-]*$/!p'
  } | head -n 1)
  [ -z "$odd" ] || { rm -rf "$new"; refuse usage "the file name $odd is not allowed, or it is no regular file"; }
  ( cd "$new" && find . -type f | sed 's|^\./||' | sort | xargs -r sha256sum ) > "releases/.manifest.adopt" ||
    { rm -rf "$new"; refuse disk "cannot write the manifest"; }
  mv "releases/.manifest.adopt" "$new/.manifest"
  id=0000000000-$(sha256sum < "$new/.manifest" | cut -c1-8)
  if [ -d "releases/$id" ]; then # a file that was made a link is one again
    ( cd "$new" && find . -type f -exec mv -fT {} "../$id/{}" \; ); rm -rf "$new"
  else
    sync -f releases 2>/dev/null || sync
    mv -T "$new" "releases/$id" || refuse disk "cannot move the release into place"
  fi
}
layers_install() { # what revives a revert after the watchdog was killed, or a reboot; only on a real root
  case $ROOT in /var/lib/deployer/*) [ "$(id -u)" = 0 ] || return 0 ;; *) return 0 ;; esac
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
