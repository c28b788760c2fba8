# Which cache servers run here, how they were started, and where they listen. Reads /proc and changes nothing.
# Prints lines: user NAME UID; process SERVICE PID PARENT NESTED<tab>WORDS, which are separated by tabs;
# listens SERVICE ADDRESS:PORT as the kernel writes them; built SERVICE FILE (where a binary looks by itself).
# A server may have a thousand children: of each parent the first few tell all.
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C; export LC_ALL PATH
tab=$(printf '\t')
echo "user $(id -un) $(id -u)"
kind() { # the first word of a command line: service: which server is it?
  service=
  case $1 in nginx:*) service=nginx; return ;; esac
  case ${1##*/} in
    varnishd | cache-main) service=varnish ;; haproxy) service=haproxy ;;
    squid | "(squid-"*) service=squid ;; apache2 | httpd) service=apache ;;
    traffic_manager | traffic_server | "[TS_MAIN]") service=trafficserver ;;
  esac
}
sockets() { # FOLDER of a process: `listens` lines
  open=$(for table in tcp tcp6; do # listening sockets come first: busy servers have 100,000 others behind them
    awk '$4 == "0A" { print $10, $2; next } NR > 1 { exit }' "$1/net/$table" 2>/dev/null; done | tr '\n' ' ')
  ls -l "$1/fd" 2>/dev/null | awk -v open="$open" -v service="$service" -v pid="${1#/proc/}" '
    BEGIN { n = split(open, word, " "); for (i = 1; i < n; i += 2) at["socket:[" word[i] "]"] = word[i + 1] }
    $NF in at { print "listens", service, pid, at[$NF] }'
}
names='nginx: |varnishd|cache-main|haproxy|squid|apache2|httpd|traffic_|TS_MAIN'
found=$(grep -lE "$names" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | tr '\n' ' ') children=' '
# deeper than we are: in a container of this machine, whose files are not these
depth=$(awk '/^NSpid:/ { print NF }' /proc/self/status)
deep=" $(for pid in $found; do echo "/proc/$pid/status"; done | xargs grep -H '^NSpid:' /dev/null 2>/dev/null |
  awk -F'[/\t]' -v ours="${depth:-99}" 'NF - 4 > ours - 1 { print $3 }' | tr '\n' ' ')"
family='' parents=' '
for pid in $found; do
  { read -r stat < "/proc/$pid/stat"; } 2>/dev/null || continue
  rest=${stat##*) }; rest=${rest#* }
  family="$family $pid:${rest%% *}" parents="$parents${rest%% *} "
done
for one in $family; do
  pid=${one%:*} parent=${one#*:} folder=/proc/${one%:*}
  alone=1
  case $parents in *" $pid "*) alone= ;; esac
  case " $found" in *" $parent "*) ;; *) alone= ;; esac
  if [ -n "$alone" ]; then # a child without children
    case $children in *" $parent "*" $parent "*" $parent "*) continue ;; esac
    children="$children $parent "
  fi
  words=$({ tr '\n\t\000' '  \t' < "$folder/cmdline"; } 2>/dev/null | cut -c1-4000)
  [ -n "$words" ] || continue
  first=${words%%"$tab"*}
  case $first in nginx:*) ;; *) first=${first%% *} ;; esac
  kind "$first"; [ -n "$service" ] || continue
  nested=here
  case $deep in *" $pid "*) nested=nested ;; esac
  printf 'process %s %s %s %s\t%s\n' "$service" "$pid" "$parent" "$nested" "$words"
  [ $nested = nested ] || sockets "$folder"
done
if command -v nginx >/dev/null 2>&1; then
  nginx -V 2>&1 </dev/null | tr ' ' '\n' | sed -n 's/^--conf-path=/built nginx /p' | head -n 1
fi
