#!/bin/sh
# Download packages of this machine's Debian or Ubuntu and unpack them into a folder; as an ordinary user, too. Nothing
# is installed, and the lists of apt itself stay as they are: where they know nothing, lists of our own are fetched.
# usage: download.sh FOLDER PACKAGE...     (the packages into FOLDER/debs, what they hold into FOLDER/root)
set -eu
command -v apt-get >/dev/null || { echo "apt-get is not here" >&2; exit 1; }
mkdir -p "$1/debs" "$1/root" "$1/lists/partial"
folder=$(cd "$1" && pwd)
shift
cd "$folder/debs"

own() { # apt-get with lists of our own
  apt-get -q -o "Dir::State::lists=$folder/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root "$@"
}

get() { # PACKAGE...: all at once, for reading the lists takes seconds
  apt-get -q download "$@" 2>"$folder/said" || own download "$@" 2>>"$folder/said" ||
    { own update 2>>"$folder/said" && own download "$@" 2>>"$folder/said"; }
}

missing=
for package in "$@"; do
  ls "$package"_*.deb >/dev/null 2>&1 || missing="$missing $package"
done
# shellcheck disable=SC2086
[ -z "$missing" ] || get $missing >/dev/null || { tail -n 3 "$folder/said" >&2; exit 1; }
for package in "$@"; do
  dpkg-deb -x "$(ls "$package"_*.deb | head -n 1)" "$folder/root"
done
