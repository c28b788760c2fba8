# Varnish; why it looks as it does: phrasebook.py. Given: DEST, ROOT, PREFIX; VARNISHD, VARNISHADM, VARNISHSTAT
# (programs), WORKDIR (-n, may be empty), LISTEN (-a), VARNISH_ARGS and
# VARNISH_CHECK_ARGS (further options, split at spaces).

adm() { "$VARNISHADM" ${WORKDIR:+-n "$WORKDIR"} -t 10 "$@"; }
label() { printf 'dep_%s' "$(printf '%s' "$1" | tr - _)"; }
names() { adm vcl.list 2>/dev/null | awk '$1 != "discarded" && NF { print $1, ($2 ~ /\//) ? $4 : $5 }'; } # state, name
active() { names | sed -n 's/^active //p'; }
boss() { adm pid 2>/dev/null | awk '/^Master/ { print $2 }'; }
remember() {
  printf '%s %s %s %s\n' "$1" "$2" "$(boss | grep . || echo 0)" "$(imprint)" > "$ROOT/loaded.tmp" &&
    mv -f "$ROOT/loaded.tmp" "$ROOT/loaded"
}

service_check() {
  [ -f "$1/default.vcl" ] || { echo "default.vcl is missing from the release" >&2; return 1; }
  ! way_back || return 0 # what it cannot compile it does not use, and what it kept warm it need not compile
  live=$(cd "$1" && grep -rnE "^[[:space:]]*include[[:space:]]+\"$DEST/" . | head -n 1)
  [ -z "$live" ] || {
    echo "${live#./}: an absolute include reads the live files; write it as \"./name\"" >&2; return 1
  }
  scratch=$(mktemp -d) || return 1
  said=$("$VARNISHD" -C -f "$1/default.vcl" -n "$scratch/w" -p "vcl_path=$1" $VARNISH_CHECK_ARGS 2>&1 >/dev/null); rc=$?
  rm -rf "$scratch"
  [ $rc = 0 ] || printf '%s\n' "$said" | sed "s|$1/||g" | grep -v '^Could not delete' | head -n 8 >&2
  return $rc
}
service_running() { adm status 2>/dev/null | grep -q running; }
sick() { # VCL: its backends that are, without its name. A discarded VCL's come first
  adm backend.list "$1.*" 2>/dev/null | awk 'NR > 1 && NF { is[$1] = $4 }
    END { for (name in is) if (is[name] == "sick") print substr(name, index(name, ".") + 1) }'
}
no_worse() { # NEW OLD (VCLs), in time: no backend is sick in NEW that is well in OLD; worse: the one that is
  while :; do
    ill=; [ -z "$2" ] || ill=$(sick "$2" | tr '\n' ' ')
    worse=; for one in $(sick "$1"); do case " $ill" in *" $one "*) ;; *) worse=$one ;; esac; done
    [ -n "$worse" ] || return 0
    in_time || return 1
    pause
  done
}
switch() { # load, wait. A discarded VCL stays listed for a minute while a worker holds it, and cannot be used again
  name=$(label "$1")
  if ! names | grep -q " $name\$"; then
    adm param.set vcl_path "$ROOT/releases/$1" >/dev/null 2>&1
    said=$(adm vcl.load "$name" "$ROOT/releases/$1/default.vcl" 2>&1) || { echo "vcl.load: $said" >&2; return 1; }
  else adm vcl.state "$name" warm >/dev/null 2>&1; fi
  adm status | grep -q running || return 0
  if way_back; then limit 2; else limit 8; fi # a probe's first answers; who goes back does not depend on the origin
  no_worse "$(label "$1")" "$before" || way_back || { echo "backend $worse is sick in the new VCL" >&2; return 1; }
}
service_reload() {
  before=$(active)
  switch "$1" || { [ "$name" = "$before" ] || adm vcl.discard "$name" >/dev/null 2>&1; return 1; }
  said=$(adm vcl.use "$name" 2>&1) || { echo "vcl.use: $said" >&2; return 1; }
  remember "$name" "$1"
  # the one before stays warm, an instant way back; older ones of ours go
  for old in $(names | sed -n 's/^active .*//; s/^[^ ]* //p'); do
    case $old in "$before"|"$(label "$(readlink "$ROOT/good" | sed 's|releases/||')")") ;;
      dep_*) adm vcl.discard "$old" >/dev/null 2>&1 ;; esac
  done
  return 0
}
service_start() {
  if ! adm ping >/dev/null 2>&1; then
    if [ -z "$PREFIX" ] && [ -d /run/systemd/system ]; then
      systemctl start varnish || return 1
      remember "$(active)" "$1"; return
    fi
    "$VARNISHD" ${WORKDIR:+-n "$WORKDIR"} -a "$LISTEN" -f '' $VARNISH_ARGS || return 1
  fi
  before=
  switch "$1" || return 1
  said=$(adm vcl.use "$name" 2>&1) || { echo "vcl.use: $said" >&2; return 1; }
  adm status | grep -q running || said=$(adm start 2>&1) || { echo "start: $said" >&2; return 1; }
  remember "$name" "$1"
}
service_loaded() { # the name is the release; another name counts only as long as it was remembered for this process
  now=$(active)
  case $now in
    '') return 1 ;;
    dep_*) now=${now#dep_}; echo "${now%_*}-${now##*_}" ;;
    # `boot` of another process is what lay on disk when it started
    *) read -r name release pid print < "$ROOT/loaded" || return 1
       if [ "$name $pid" = "$now $(boss)" ]; then echo "$release"
       elif [ "$now" = boot ] && [ "$pid" != "$(boss)" ] && untouched "$release" "$print"; then echo "$release"; fi ;;
  esac
}
service_adopted() { now=$(active); remember "${now:-boot}" "$1"; }
key() { # DIR: the statements that make the hash: vcl_hash as a whole, and what rewrites the URL or the host before it
  find "$1" -type f ! -name .manifest -exec awk '
    function bare(line,  kept) { # without its comment; none begins in quotes
      while (match(line, /"[^"]*"|(^|[ \t;}{])(#|\/\/)/)) {
        if (substr(line, RSTART, 1) != "\"") return kept substr(line, 1, RSTART - (substr(line, RSTART, 1) ~ /[#\/]/))
        kept = kept substr(line, 1, RSTART + RLENGTH - 1); line = substr(line, RSTART + RLENGTH)
      }
      return kept line
    }
    { rest = rest " " bare($0)
      while (match(rest, /[;}{]/)) {
        text = substr(rest, 1, RSTART - 1); mark = substr(rest, RSTART, 1); rest = substr(rest, RSTART + 1)
        gsub(/[ \t\r]+/, " ", text); sub(/^ /, "", text); sub(/ $/, "", text)
        if (!depth && text ~ /^sub vcl_hash$/) { depth = 1; continue }
        if (depth) { depth += mark == "{" ? 1 : mark == "}" ? -1 : 0; if (text != "") print text }
        else if (text ~ /^(set|unset) req\.(url|http\.[Hh]ost)( |$)/) print text
      } }' {} + | sort
}
service_change() { # every VCL can be loaded; what needs a restart (storage, ports) is no file of a release
  if [ "$(key "$1")" = "$(key "$2")" ]; then echo reload
  else echo "cold: what vcl_hash, req.url or the host are made of changes, which is the key of the cache"; fi
}
service_restart() { service_reload "$1"; }
service_counters() { # names as in 7.1; cache_miss counts hits for miss, too
  "$VARNISHSTAT" ${WORKDIR:+-n "$WORKDIR"} -1 2>/dev/null | awk '
    $1 == "MAIN.client_req" { print "n", $2 } $1 == "MAIN.cache_hit" { hit = $2 } $1 == "MAIN.cache_miss" { miss = $2 }
    $1 == "MAIN.backend_req" { print "orig", $2 } $1 == "MGT.child_start" { print "since", $2 }
    END { if (NR == 0) exit 1; print "look", hit + miss; print "miss", miss }'
}
