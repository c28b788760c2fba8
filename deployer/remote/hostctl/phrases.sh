
# --- the service functions: each release has its own (phrases/RELEASE), so that staging one changes nothing of another
phrases_of() { # RELEASE; an agent before this one had one file for all releases
  PHRASES=$ROOT/phrases/$1
  [ -f "$PHRASES" ] || PHRASES=$ROOT/service
}
passes() { # DIR: the check of what PHRASES names; said: why not
  said=$(service service_check "$1" 2>&1) || { said=${said:-the check failed or took longer than $T_CMD s}; return 1; }
}
accepts() { # RELEASE [OTHER...]: its own phrases accept it; where their tools are gone, those of OTHER may stand in
  phrases_of "$1"; own=$PHRASES whom=$1
  passes "$ROOT/releases/$1" && return 0
  why=$said; shift
  for other in "$@"; do
    phrases_of "$other"
    cmp -s "$PHRASES" "$own" || ! passes "$ROOT/releases/$whom" || {
      note "the phrases of $other stand in for those of $whom: $why"
      mkdir -p phrases && put "phrases/$whom" < "$PHRASES" || : # no room: they are found again
      return 0
    }
  done
  PHRASES=$own said=$why
  return 1
}
confirmed_here() { grep -q " $1\$" history 2>/dev/null; }
renew() { # RELEASE FILE: new phrases for a release that is here prove themselves first: its way back hangs on them
  phrases_of "$1"
  ! cmp -s "$2" "$PHRASES" || return 0
  load; phrases_of "$current"; loaded "$current" || :
  was=$has PHRASES=$ROOT/$2
  passes "$ROOT/releases/$1" ||
    discard invalid "release $1 is here already, and with these host variables it fails its check: $said"
  loaded "$was" || [ -z "$was" ] ||
    discard invalid "with these host variables the running process cannot be seen to have $was, which it has"
  keep_phrases "$1" "$2"
}
keep_phrases() { # RELEASE FILE
  mkdir -p phrases && put "phrases/$1" < "$2" || discard disk "cannot write the service functions"
}
