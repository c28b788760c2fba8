# Which cache servers run here, how they were started, and where they listen. Reads /proc and changes nothing.
# Prints lines: user NAME UID; process SERVICE PID PARENT NESTED<tab>WORDS, which are separated by tabs;
# listens SERVICE ADDRESS:PORT as the kernel writes them; built SERVICE FILE (where a binary looks by itself).
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C; export LC_ALL PATH
tab=$(printf '\t')
echo "user $(id -un) $(id -u)"
kind() { # the first word of a command line: which server is it?
  case $1 in nginx:*) echo nginx; return ;; esac
  case ${1##*/} in
    varnishd | cache-main) echo varnish ;; haproxy) echo haproxy ;;
    squid | "(squid-"*) echo squid ;; apache2 | httpd) echo apache ;;
    traffic_manager | traffic_server | "[TS_MAIN]") echo trafficserver ;;
  esac
}
# deeper than we are: in a container of this machine, whose files are not these
depth=$(awk '/^NSpid:/ { print NF }' /proc/self/status)
names='nginx: |varnishd|cache-main|haproxy|squid|apache2|httpd|traffic_|TS_MAIN'
for file in $(grep -lE "$names" /proc/[0-9]*/cmdline 2>/dev/null); do
  folder=${file%/cmdline}
  words=$({ tr '\n\t' '  ' < "$folder/cmdline" | tr '\0' '\t'; } 2>/dev/null | cut -c1-4000)
  [ -n "$words" ] || continue
  first=${words%%"$tab"*}
  case $first in nginx:*) ;; *) first=${first%% *} ;; esac
  service=$(kind "$first"); [ -n "$service" ] || continue
  read -r stat < "$folder/stat" 2>/dev/null || continue
  rest=${stat##*) }; rest=${rest#* }
  nested=$(awk -v ours="${depth:-99}" '/^NSpid:/ && NF > ours { print "nested" }' "$folder/status" 2>/dev/null)
  printf 'process %s %s %s %s\t%s\n' "$service" "${folder#/proc/}" "${rest%% *}" "${nested:-here}" "$words"
  held=$(ls -l "$folder/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p' | tr '\n' ' ')
  cat "$folder/net/tcp" "$folder/net/tcp6" 2>/dev/null |
    awk -v held=" $held" -v service="$service" -v pid="${folder#/proc/}" '
    $4 == "0A" && index(held, " " $10 " ") { print "listens", service, pid, $2 }'
done
if command -v nginx >/dev/null 2>&1; then
  nginx -V 2>&1 </dev/null | tr ' ' '\n' | sed -n 's/^--conf-path=/built nginx /p' | head -n 1
fi
