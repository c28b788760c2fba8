# How a release of Traffic Server is checked: `verify_config` reads remap.config, plugin.config and
# ssl_multicert.config (measured: broken YAML files, records of any kind and a body_factory that is missing pass it),
# and it writes into the running server's log. So records.config is checked here, and the rest in a scratch runroot.
# The names of records come from the program itself, their types from the running server.

faults() { # FILE KNOWN: what is wrong with its lines; KNOWN: names, or `SCOPE name TYPE ...` lines
  awk -v known="$2" '
    BEGIN { while ((getline line < known) > 0) { n = split(line, part, " "); if (n > 2) is[part[2]] = part[3];
      else if (!(line in is)) is[line] = "" } }
    function bad(text) { print "records.config:" NR ": " text; found = 1 }
    /^[[:space:]]*(#|$)/ { next }
    $1 !~ /^(CONFIG|LOCAL)$/ || NF < 3 { bad("a record is CONFIG NAME TYPE VALUE, not: " $0); next }
    $3 !~ /^(INT|FLOAT|STRING|COUNTER)$/ { bad($3 " is no type; INT, FLOAT and STRING are"); next }
    !($2 in is) { bad($2 " is no record of this Traffic Server"); next }
    is[$2] != "" && is[$2] != $3 { bad($2 " is of type " is[$2] ", not " $3); next }
    $3 != "STRING" && NF != 4 { bad($2 " needs one value"); next }
    $3 ~ /INT|COUNTER/ && $4 !~ /^-?[0-9]+[KMGTkmgt]?$/ &&
      $4 !~ /^0x[0-9A-Fa-f]+$/ { bad($2 " must be a whole number, not " $4); next }
    $3 == "FLOAT" && $4 !~ /^-?[0-9]*\.?[0-9]+$/ { bad($2 " must be a number, not " $4) }
    END { exit !found }' "$1" >&2
}
templates() { # DIR: is the folder there without which the server does not start?
  folder=$(records "$1/records.config" | sed -n 's/^proxy.config.body_factory.template_sets_dir STRING //p')
  : "${folder:=$(unset TS_RUNROOT; "$LAYOUT" info 2>/dev/null | sed -n 's/^SYSCONFDIR: //p')/body_factory}"
  case $folder in "$DEST"/*) folder=$1/${folder#"$DEST"/} ;; esac
  [ -d "$folder" ] || {
    echo "$folder is missing: Traffic Server does not start without it" | plainly "$1" >&2; return 1
  }
}
service_check() {
  for file in records.config remap.config storage.config plugin.config; do
    [ -f "$1/$file" ] || { echo "$file is missing from the release" >&2; return 1; }
  done
  ! way_back || return 0 # what it does not load it refuses, and serves on
  tree=$1 scratch=$(mktemp -d) && chmod 755 "$scratch" && mkdir -m 777 "$scratch/log" "$scratch/run" || return 1
  tr '\0' '\n' < "$(layout BINDIR)/traffic_server" | sed -n '/^proxy\.[a-z]*\.[A-Za-z0-9_.]*$/p' > "$scratch/known"
  ctl config defaults --records >> "$scratch/known"
  faults "$tree/records.config" "$scratch/known" && { rm -rf "$scratch"; return 1; }
  templates "$tree" || { rm -rf "$scratch"; return 1; }
  { for key in prefix exec_prefix localstatedir cachedir datadir includedir mandir infodir; do
      echo "$key: $scratch"
    done
    echo "runtimedir: $scratch/run"; echo "logdir: $scratch/log"
    echo "bindir: $(layout BINDIR)"; echo "sbindir: $(layout BINDIR)"; echo "libdir: $(layout LIBDIR)"
    echo "libexecdir: $(layout PLUGINDIR)"
  } > "$scratch/runroot.yaml"
  said=$(as_if_live "$tree" sh -c 'echo "sysconfdir: $2" >> "$1/runroot.yaml" &&
    TS_RUNROOT=$1/runroot.yaml exec "$3" -C verify_config -D "$2"' sh \
    "$scratch" @/. "$SERVER") && { rm -rf "$scratch"; return 0; }
  why=$(sed -n 's/^\[[^]]*\] [^ ]* *\(ERROR\|FATAL\|EMERGENCY\|ALERT\): //p' "$scratch/log/diags.log" 2>/dev/null)
  printf '%s\n' "${why:-$(printf '%s\n' "$said" | grep -E '^(ERROR|Fatal)|failed')}" |
    sed -e "s|${TMPDIR:-/tmp}/tmp\.[^/ ]*/||g" -e "s|$DEST/\./||g" -e 's|^\[ReverseProxy\] ||' \
      -e 's|^failed to add remap rule at \([^ ]*\) line \([0-9]*\): |\1:\2: |' -e 's| at line [0-9]*$||' |
      plainly "$tree" | head -n 6 >&2
  rm -rf "$scratch"
  return 1
}
