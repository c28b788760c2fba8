"""Our reader of nginx's files beside crossplane's: time, and what each makes of texts that are easy to misread.

`.venv/bin/pip install crossplane==0.5.8 && script/bench nginx_readers [FOLDER]`: nothing else needs it. FOLDER: a tree
with an nginx.conf, such as /etc/nginx.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import crossplane

from deployer.model.errors import InputError
from deployer.services.base import ServiceSettings
from deployer.services.includes import Includes
from deployer.services.nginx.syntax import Directive, tree, walk

SERVER = """\
server {{
    listen 80;
    server_name shop{n}.example.com www.shop{n}.example.com;
    access_log /var/log/nginx/shop{n}.log cache;
    # who logs in is not cached
    location / {{
        if ($request_method = POST) {{ return 405; }}
        proxy_set_header Host "$host";
        proxy_cache_key "$scheme$host$request_uri";
        proxy_pass http://origin;
    }}
    location ~* \\.(?:css|js)$ {{ expires 30d; }}
}}
"""
LARGE = "events {}\nhttp {\n" + "".join(SERVER.format(n=n) for n in range(384)) + "}\n"
TEXTS = {
    "a variable in braces": "log_format a ${status} ${request_time};",
    "a tab in quotes": 'log_format a "$status\\t$request_time";',
    "a brace in a word": "map $uri $kind { a}b 1; }",
    "if": "if ( !-f $request_filename ) { return 404; }",
    "Lua": "content_by_lua_block {\n -- don't\n if #arg > 0 then say('}') end\n}\naccess_log off;",
    "included twice": "include x;\nhttp { include x; }",
    "a circle": "include nginx.conf;",
    "never closed": "http {\nserver {\nlisten 80;\n}\n",
    "closed once more": "http {\n}\n}\nevents {}\n",
}


def ours(folder: Path) -> list[Directive]:
    """The tree of bytes in memory."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    includes = Includes()
    with includes.reading("nginx.conf", "nginx.conf"):
        return tree(files, "nginx.conf", ServiceSettings(str(folder), "/"), includes)


def theirs(folder: Path) -> dict[str, Any]:
    """Its payload, includes in their place; without what it knows of arguments and contexts."""
    found: dict[str, Any] = crossplane.parse(
        str(folder / "nginx.conf"), combine=True, comments=True, check_ctx=False, check_args=False
    )
    return found


def flat(block: list[dict[str, Any]]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, words), outer before inner."""
    for one in block:
        yield one["line"], (one["directive"], *one["args"])
        yield from flat(one.get("block", []))


def best(call: Callable[[], object]) -> float:
    """Milliseconds of processor time, the best of nine."""
    took = []
    for _ in range(9):
        began = time.process_time()
        call()
        took.append(time.process_time() - began)
    return min(took) * 1000


def main(given: list[str]) -> None:
    """One table, one list."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nginx.conf").write_text(LARGE)
        for place in (folder, *map(Path, given)):
            directives = len(list(walk(ours(place))))
            first, second = best(partial(ours, place)), best(partial(theirs, place))
            print(f"{place}: {directives} directives; ours {first:.1f} ms, crossplane {second:.1f} ms")
        (folder / "x").write_text("gzip on;\n")
        for what, text in TEXTS.items():
            (folder / "nginx.conf").write_text(text)
            print(f"\n{what}: {text!r}")
            try:
                print("  ours      ", [(d.at.rpartition(":")[2], d.words) for d in walk(ours(folder))])
            except InputError as error:
                print("  ours      ", error)
            try:
                found = theirs(folder)
                print("  crossplane", list(flat(found["config"][0]["parsed"])), found["errors"])
            except RecursionError:
                print("  crossplane RecursionError")


if __name__ == "__main__":
    main(sys.argv[1:])
