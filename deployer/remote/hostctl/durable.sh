
# --- durable and atomic
sync_it() { sync "$@" 2>/dev/null || sync; }
put() { cat > "$1.tmp" && sync_it "$1.tmp" && mv -f "$1.tmp" "$1" || { rm -f "$1.tmp"; return 1; }; }
link_of() { to=$(readlink "$1" 2>/dev/null) && to=${to#releases/} || to=""; }
point() { # point LINK RELEASE READY: by rename; READY was made at arm time
  link_of "$3"
  if [ "$to" = "$2" ]; then mv -T "$3" "$1"
  else rm -f "$1.new" && ln -s "releases/$2" "$1.new" && mv -T "$1.new" "$1"; fi && sync_it "$ROOT"
}
intact() { [ -f "releases/$1/.manifest" ] && ( cd "releases/$1" && sha256sum -c .manifest >/dev/null 2>&1 ); }
