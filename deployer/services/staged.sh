# Absolute paths below DEST (includes, error files, lists) would read the live files, so that a broken release passes.
# Where that is allowed the staged tree is bound over the live one where nobody else sees it; elsewhere a copy is
# checked in which those paths point into the copy. Given: DEST, ROOT.

as_if_live() { # DIR COMMAND...: COMMAND finds the tree DIR where the live one is; @/ in front of a word: its place
  tree=$1; shift
  if [ "$(id -u)" = 0 ] && [ -e "$ROOT/current" ] && unshare -m true 2>/dev/null; then
    place=$DEST; set -- unshare -m sh -c 'mount --make-rprivate / 2>/dev/null; mount --bind "$1" "$2" && shift 2 &&
      exec "$@"' sh \
      "$tree" "$(readlink -f "$ROOT/current")" "$@"
  else
    copy=$(mktemp -d) && chmod 755 "$copy" && cp -R "$tree/." "$copy" || return 125
    place=$copy
    grep -rlF "$DEST/" "$copy" 2>/dev/null | while IFS= read -r file; do
      ( umask 077; sed "s|$DEST/|$copy/|g" "$file" > "$copy/.new" ) && cat "$copy/.new" > "$file"; done
  fi
  left=$#
  while [ "$left" -gt 0 ]; do
    word=$1; shift; left=$((left - 1))
    case $word in @/*) word=$place/${word#@/} ;; esac
    set -- "$@" "$word"
  done
  ( cd / && "$@" ) 2>&1; rc=$?
  [ "$place" = "$DEST" ] || rm -rf "$copy"
  return $rc
}
plainly() { sed "s|$DEST/||g; s|$1/||g; s|${copy:-$1}/||g"; } # DIR: paths as the user wrote them
