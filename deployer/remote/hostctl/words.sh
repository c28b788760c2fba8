
# --- words in, words out
refuse() { # CODE TEXT
  printf '{"ok":false,"proto":1,"code":"%s","error":"%s"}\n' "$1" "$(json_text "$2")" 2>/dev/null || :
  exit 1
}
json_text() {
  case $1 in *[!A-Za-z0-9\ ._:/@,-]*) ;; *) printf '%.500s' "$1"; return ;; esac # most are plain
  printf '%s' "$1" | tr '\n\t' '  ' | tr -d '\000-\037\177' | cut -c1-500 | sed 's/\\/\\\\/g; s/"/\\"/g'
}
json_list() { awk '{ gsub(/[^A-Za-z0-9._@+#\/ :-]/, "?"); printf "%s\"%s\"", (NR > 1 ? "," : ""), $0 }'; }
valid_release() {
  case $1 in [0-9a-f]*-[0-9a-f]*) ;; *) refuse usage "not a release id" ;; esac
  case $1 in *[!0-9a-f-]*|*-*-*) refuse usage "not a release id" ;; esac
  [ ${#1} -eq 19 ] || refuse usage "not a release id"
}
valid_number() {
  case $1 in ''|*[!0-9]*) refuse usage "not a number" ;; esac
  [ ${#1} -le 12 ] || refuse usage "number too large"
}
valid_group() { case $1 in -*|*[!a-z0-9_-]*) refuse usage "not the name of a group" ;; esac; }
valid_word() { case $1 in push|rollback|adopt) ;; *) refuse usage "not a command word" ;; esac; }
valid_deploy() {
  case $1 in [0-9]*-[0-9a-f]*) ;; *) refuse usage "not a deploy id" ;; esac
  case $1 in *[!0-9a-f-]*) refuse usage "not a deploy id" ;; esac
  [ ${#1} -le 32 ] || refuse usage "deploy id too long"
}
