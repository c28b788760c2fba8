"""Access logs as counts: an awk program, made from the AccessLog of a server, that prints ONE line of JSON for all the
lines it read. It runs on the host, in mawk, gawk, busybox awk and the one true awk; no log line leaves the host.

  {"n": 40, "err": 1, "look": 38, "miss": 2, "orig": 4, "probe": 10, "bad": 0, "odd": 0, "word": "",
   "used": 8123, "lat": [[0.52, 30], ...]}

n requests, err of them answered with 5xx or not at all; look cache look-ups, miss of them missed; orig requests that
went to the origin; probe requests of our own probes, which are in none of the others; bad lines in no known format; odd
requests whose word for the cache's part is in no list of ours, word the most frequent of these;
used bytes of whole lines; lat milliseconds (rounded by 2.5 % at most, 0 below 0.01) and how many; exit the status of
the command that gave the lines. No log() and no exp(): Debian's busybox awk has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.model.errors import InputError
from deployer.services.base import AccessLog
from deployer.services.logfield import TEXT, Form, form_of, paired

AGENT = "deployer-probe"
MEANINGS = ("status", "cache", "time", "agent", "upstream")
PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \t\"!#%&',:;<=>@_`~-]}"
SPECIAL = "$()*+.?[{|"
MOST_TRIES = 300  # separators inside one text; more are no request that a visitor makes

# total: bytes that were handed in; the last line is left for the next read when its end is missing. -1: read them all.
# drop: the first line has no beginning. `\001exit N` is the last line of a log that is a command (readlog.sh).
MAIN = r"""
function rounded(ms,  scale, step) {
  if (ms < 0.01) return 0
  if (ms > 1e9) ms = 1e9
  for (scale = 1; ms >= 10; scale *= 10) ms /= 10
  for (; ms < 1; scale /= 10) ms *= 10
  step = ms < 2 ? 0.05 : ms < 5 ? 0.1 : 0.25
  return sprintf("%.4g", int(ms / step + 0.5) * step * scale)
}
function strange(word) { # the most frequent one is told
  odd++
  if (word !~ /^[A-Za-z0-9_.:; ,=>-]+$/ || length(word) > 60 || (!(word in times) && ++words > 50)) word = "?"
  if (++times[word] > times[oddest]) oddest = word
}
function one(line) {
  if (index(line, "\001exit ") == 1 && substr(line, 7) ~ /^[0-9][0-9]?[0-9]?$/) { code = substr(line, 7) + 0; return }
  if (line == "") return
  status = cache = time = agent = upstream = ""
  format = known(line)
  if (!format) { bad++; return }
  if (index(agent, AGENT)) { probe++; return }
  n++
  if (status !~ /^[1-9][0-9][0-9]$/ || status >= 500) err++
  if (format in has_cache) {
    i = index(cache, "/"); if (i) cache = substr(cache, 1, i - 1)
    part = ""
    if ((format, cache) in part_of) part = part_of[format, cache]
    else if (!(format in others_of)) strange(cache)
    else if (cache !~ /^</) part = others_of[format]
    if (part == "hit") look++
    if (part == "miss") { look++; miss++ }
  } else part = ""
  if (format in has_upstream) {
    if (upstream != "" && upstream != "-") orig += 1 + gsub(/[,:] /, "", upstream)
  } else if (part == "miss" || part == "pass") orig++
  if (time ~ /^[+]?[0-9]*[.]?[0-9]+$/) lat[rounded(time * ms_of[format])]++
}
{ if (NR > 1 + drop) one(held); held = $0; size += length($0) + 1 }
END {
  if (total >= 0 && size > total) { # the last line has no end yet
    used = total - length(held)
    if (used <= 0 && total >= cap) { used = total; bad++ } # longer than all that is read at once
  } else { used = size + 0; if (NR > drop) one(held) }
  printf "{\"n\":%d,\"err\":%d,\"look\":%d,\"miss\":%d,\"orig\":%d,\"probe\":%d,\"bad\":%d," \
    "\"odd\":%d,\"word\":\"%s\",\"used\":%.0f,",
    n, err, look, miss, orig, probe, bad, odd, oddest, used
  printf "\"exit\":%d,\"lat\":[", code
  for (b in lat) { printf "%s[%s,%d]", comma, b, lat[b]; comma = "," }
  printf "]}"
}
"""


def program(logs: Sequence[AccessLog]) -> str:
    """One program for all formats that a log may hold (the old release's and the new one's); the first that fits a
    line is taken. Raises InputError for pieces that cannot be told apart or lack a status."""
    begin = [f"  AGENT = {text(AGENT)}"]
    functions, tries = [], []
    for number, log in enumerate(logs, 1):
        _sound(log)
        begin += _words(number, log)
        functions.append(_splitter(number, log))
        tries.append(f"  if (split_{number}(line)) return {number}")
    known = "function known(line) {\n" + "\n".join(tries) + "\n  return 0\n}\n"
    return "BEGIN {\n" + "\n".join(begin) + "\n}\n" + "".join(functions) + known + MAIN


def _sound(log: AccessLog) -> None:
    fields = log.pieces[1::2]
    if len(log.pieces) % 2 == 0 or not all(log.pieces[2:-1:2]):
        raise InputError(f"two fields of the log {log.path} touch each other", hint="put a space or a quote between")
    if "status" not in fields:
        raise InputError(f"the log {log.path} has no status", hint="add the status of the answer to its format")
    twice = [name for name in MEANINGS if fields.count(name) > 1]
    if twice:
        raise InputError(f"the log {log.path} has {twice[0]} twice")


def _words(number: int, log: AccessLog) -> list[str]:
    """What the words of this log mean."""
    lines = [f"  ms_of[{number}] = {log.ms:.10g}"]
    lines += [f"  has_{name}[{number}]" for name in ("cache", "upstream") if name in log.pieces[1::2]]
    kinds = (("none", log.nothing), ("pass", log.passes), ("miss", log.misses), ("hit", log.hits))
    lines += [f'  others_of[{number}] = "{log.others}"'] if log.others else []
    for part, words in kinds:
        lines += [f'  part_of[{number}, {text(word)}] = "{part}"' for word in sorted(words)]
    return lines


def _splitter(number: int, log: AccessLog) -> str:
    """A function that sets status, cache, time, agent and upstream from a line of this log; 0 when it is none."""
    lines = []
    if log.pieces[0]:
        size = len(octets(log.pieces[0]))
        lines += [f"  if (substr(s, 1, {size}) != {text(log.pieces[0])}) return 0", f"  s = substr(s, {size + 1})"]
    for field, (name, literal) in enumerate(zip(log.pieces[1::2], log.pieces[2::2], strict=True)):
        form = form_of(log.forms, field, name)
        if name == "time":
            lines.append('  sub(/^ +/, "", s)')
        if literal:
            lines += _end(form, literal, log.pieces[2 * field + 3 :], log.forms[field + 1 :])
        value = "substr(s, 1, i - 1)" if literal else "s"
        if form.ere != TEXT.ere:
            lines.append(f"  if ({value} !~ /^({form.ere})$/) return 0")
        if name in MEANINGS:
            lines.append(f"  {name} = {value}")
        if literal:
            lines.append(f"  s = substr(s, i + {len(octets(literal))})")
    return f"function split_{number}(s,  i, j, tries) {{\n" + "\n".join(lines) + "\n  return 1\n}\n"


def _end(form: Form, literal: str, rest: Sequence[str], forms: Sequence[Form]) -> list[str]:
    """Sets i to where the literal behind this field begins."""
    size = len(octets(literal))
    if form.ends_at(literal) or not rest:
        found = [f"  i = index(s, {text(literal)}); if (!i) return 0"]
        if not form.ends_at(literal):  # the last one: it ends the line
            found = [f"  i = length(s) - {size - 1}; if (i < 1 || substr(s, i) != {text(literal)}) return 0"]
        return found
    if form.longest(literal):
        return [
            f"  i = match(s, /^{form.ere}/) ? RLENGTH + 1 : 1",
            f"  if (substr(s, i, {size}) != {text(literal)}) return 0",
        ]
    after, following = form_of(forms, 0, rest[0]), rest[1]
    if paired(form, literal, after, following):
        return [
            f"  j = index(s, {text(following)}); if (!j) return 0",
            f"  if (!match(substr(s, 1, j - 1), /^.*{regex(literal)}/)) return 0",
            f"  i = RLENGTH - {size - 1}",
        ]
    return [
        f"  for (i = tries = 0; ++tries <= {MOST_TRIES}; ) {{",
        f"    j = index(substr(s, i + 1), {text(literal)}); if (!j) return 0",
        f"    i += j; if (substr(s, i + {size}) ~ /^{_rest(rest, forms)}$/) break",
        "  }",
        f"  if (tries > {MOST_TRIES}) return 0",
    ]


def _rest(rest: Sequence[str], forms: Sequence[Form]) -> str:
    """field, literal, ..., literal as one regular expression."""
    found = ""
    for number, (name, literal) in enumerate(zip(rest[0::2], rest[1::2], strict=True)):
        found += " *" * (name == "time") + f"({form_of(forms, number, name).ere})" + regex(literal)
    return found


def regex(literal: str) -> str:
    """An extended regular expression; what some awk would read otherwise is any byte."""
    return "".join(chr(b) if chr(b) in PLAIN else f"[{chr(b)}]" if chr(b) in SPECIAL else "." for b in octets(literal))


def octets(literal: str) -> bytes:
    """As the log has it; awk counts bytes in the C locale."""
    return literal.encode("utf-8", "surrogateescape")


def text(literal: str) -> str:
    """An awk string: everything but plain characters as an octal escape."""
    plain = b" !#$%&'()*+,-.:;<=>?@[]^_`{|}~"
    return (
        '"'
        + "".join(chr(b) if (chr(b).isalnum() and b < 128) or b in plain else f"\\{b:03o}" for b in octets(literal))
        + '"'
    )
