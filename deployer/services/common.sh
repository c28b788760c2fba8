# shellcheck shell=sh disable=SC2154
# What the phrasebooks share. DEST, ROOT and PREFIX are set above.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
uptime() { IFS=' .' read -r up rest < /proc/uptime; : "$rest"; } # sets up: seconds, which no clock change moves
nap() { sleep 0.1 2>/dev/null || sleep 1; }
linked() { to=$(readlink "$ROOT/$1" 2>/dev/null) && printf '%s\n' "${to#releases/}"; }

# ROOT/loaded: one line, overwritten in place so that a revert can still write it when the disk is full; its last word
# tells that it is whole.
put_loaded() { printf '%s end\n' "$*" | dd of="$ROOT/loaded" conv=notrunc 2>/dev/null || { echo "cannot write $ROOT/loaded" >&2; return 1; }; }
get_loaded() { # sets proven and the words after it
  proven='' words=''
  [ -f "$ROOT/loaded" ] && read -r proven words < "$ROOT/loaded" || return 1
  case " $words" in *" end") words=" ${words%end}" ;; *) proven='' words=''; return 1 ;; esac
}

# Run the words after DIR where DIR lies over the live tree and nobody else sees it: what names the live files by
# absolute path reads the staged ones. 99: that cannot be had here.
in_private() {
  over=$1 live=$(readlink -f "$ROOT/current") && shift || return 99
  [ "$(id -u)" = 0 ] && [ "$(readlink -f "$DEST")" = "$live" ] && unshare -m true 2>/dev/null || return 99
  # shellcheck disable=SC2016
  unshare -m sh -c 'mount --make-rprivate / && mount --bind "$1" "$2" || exit 99; shift 2; exec "$@"' sh "$over" "$live" "$@"
}
