#!/bin/sh
# The rival: a symlink deploy over ssh as many sites have it. usage: plain-deploy.sh CONFIG FOLDER ID HOST...
# Waits for a line on stdin after each host that it switched, as a person who looks at the graphs would.
set -eu
config=$1 folder=$2 id=$3
shift 3
for host in "$@"; do
  tar -C "$folder/$host" -cf - . | ssh -F "$config" "$host" "mkdir -p ROOT_$host/releases/$id && tar -xf - -C ROOT_$host/releases/$id"
done
for host in "$@"; do
  ssh -F "$config" "$host" "cd ROOT_$host && ln -sfn releases/$id current && nginx-of-$host -t -q && nginx-of-$host -s reload"
  echo "switched $host"
  read -r _
done
echo "done"
