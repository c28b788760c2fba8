#!/bin/sh
# hostctl: the host side of deployer, protocol 1. POSIX sh: dash, busybox ash, bash, mksh.
# usage: hostctl VERB ROOT [arguments]. Prints one line of JSON; exit 0 if ok, 1 if refused.
#
# current, good: links to a complete release, always replaced by rename. The commit point is the rename of `good`; all
# that a revert or a confirm needs is made at arm time, so both are renames and need no disk space. In doubt, go back.
# The files of this folder are joined in the order of layout.PARTS and sent as one; nothing runs before the last line.
main() {
  set -u; umask 022; LC_ALL=C; export LC_ALL
  PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
  trap '' HUP PIPE # the channel may die at any moment; what has begun is finished or reverted
  T_CMD=20 T_PROVE=10 T_ACT=30 POLL=1 GRACE=5 ACK_TRIES=50 LINES_KEPT=500
  SELF=$0 verb=${1:-} ROOT=${2:-} PHRASES='' WAY=forward
  export WAY # back: the service functions ask for less (services/base.py)
  case $ROOT in /*/*) ;; *) refuse usage "root must be an absolute path" ;; esac
  [ $# -ge 2 ] && shift 2
  for tool in flock setsid timeout sha256sum tar awk sed find sync readlink; do
    command -v "$tool" >/dev/null 2>&1 ||
      refuse missing "this host lacks $tool, without which nothing can be undone safely"
  done
  case $verb in
    survey) do_survey "${1:-}"; exit 0 ;;
    adopt)
      valid_deploy "${1:-}"; valid_number "${2:-}"
      mkdir -p "$ROOT/releases" 2>/dev/null || refuse disk "cannot create $ROOT" ;;
    unadopt)
      valid_deploy "${1:-}"; valid_number "${2:-}"
      [ -d "$ROOT" ] || { forget_root; do_survey "${3:-}"; exit 0; } ;;
  esac
  cd "$ROOT" 2>/dev/null || refuse unadopted "nothing is adopted here: $ROOT does not exist"
  case $verb in
    stage) valid_release "${1:-}"; valid_group "${2:-}"; locked do_stage "$1" "${2:-}" ;;
    check) valid_release "${1:-}"; do_check "$1" ;;
    preview) do_preview ;;
    activate)
      valid_deploy "${1:-}"; valid_number "${2:-}"; valid_word "${3:-}"; valid_release "${4:-}"
      valid_number "${5:-}"; valid_number "${6:-}"; [ -z "${8:-}" ] || valid_release "$8"; locked do_activate "$@" ;;
    extend) valid_deploy "${1:-}"; valid_number "${2:-}"; locked do_extend "$1" "$2" ;;
    confirm) valid_deploy "${1:-}"; locked do_confirm "$1" ;;
    revert)
      valid_deploy "${1:-}"; valid_number "${2:-}"; valid_word "${3:-push}"; locked do_revert "$1" "$2" "${3:-push}" ;;
    prune) valid_number "${1:-}"; locked do_prune "$1" ;;
    adopt) locked do_adopt "$1" "$2" "${3:-}" ;;
    unadopt) locked do_unadopt "$1" "$2" "${3:-}"; do_survey "${3:-}"; exit 0 ;;
    tick) locked do_tick ;;
    boot) BOOTING=1; locked do_tick ;;
    watch) valid_deploy "${1:-}"; do_watch "$1"; exit 0 ;;
    *) refuse usage "unknown verb" ;;
  esac
  load; answer
}
