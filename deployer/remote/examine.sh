#!/bin/sh
# What `deploy doctor` asks a host, as the user who logs in; POSIX sh, sent as text. place (the folder of all playbooks)
# and tools (names, split at spaces) are set before it; calls of say come after it. Prints lines of `word value`.
: "${place:?}" "${tools?}"
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo "user $(id -un) $(id -u)"
echo "shell ${SHELL:-}"
for tool in $tools mv; do command -v "$tool" >/dev/null 2>&1 || echo "missing $tool"; done
echo "clock $(date +%s)"
while [ ! -d "$place" ]; do place=$(dirname "$place"); done
echo "free $(df -Pk "$place" | awk 'NR == 2 { print $4 }')"
say() { # NAME OPTION: the first line that tells something
  command -v "$1" >/dev/null 2>&1 || { echo "binary $1"; return; }
  echo "binary $1 $("$1" "$2" 2>&1 </dev/null | grep -v '^NOTE' | grep -m 1 . | cut -c1-120)"
}
