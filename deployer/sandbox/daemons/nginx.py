"""nginx in the sandbox."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from deployer.sandbox import binaries
from deployer.sandbox.daemons import Edit

PACKAGES = {"nginx": ("nginx", "nginx-common")}
SHOP = "conf.d/shop.conf.j2"
EDITS = {
    "good": Edit(SHOP, "proxy_cache_valid 200 10m", "proxy_cache_valid 200 15m", "keep pages a little longer"),
    "incident": Edit(
        SHOP,
        "proxy_cache_bypass $cookie_preview;",
        "proxy_cache_bypass $cookie_preview$http_user_agent;  # previews in the app, too",
        "previews in the app, too",
    ),
    "syntax": Edit(SHOP, "proxy_cache_lock on;", "proxy_cach_lock on;", "oops"),
    "latency": Edit(
        SHOP,
        "    location / {",
        "    location = /_pause {\n        proxy_pass http://shop;\n    }\n\n"
        "    location / {\n        auth_request /_pause;",
        "log in first",
    ),
    "errors": Edit(  # $request_id is 32 random hex digits
        SHOP,
        "    location / {",
        '    if ($request_id ~ "^0[0-4]") { return 503; }\n\n    location / {',
        "turn a few away",
    ),
    "hit_ratio": Edit(
        SHOP,
        '        proxy_cache_key "$host$uri$is_args$args";',
        '        set $visit "";\n        if ($request_id ~ "^(0|1[0-9])") { set $visit $request_id; }\n'
        '        proxy_cache_key "$host$uri$is_args$args$visit";',
        "pages of their own for some",
    ),
    "database": Edit(
        SHOP,
        "        proxy_set_header Host $host;",
        "        proxy_set_header Host $host;\n        proxy_set_header X-Shop-Mode heavy;",
        "recommendations on every page",
    ),
    "comment": Edit(
        SHOP, "        proxy_cache shop;", "        # the shop's pages\n        proxy_cache shop;", "explain"
    ),
    "ttl": Edit(SHOP, "inactive=60m", "inactive=90m", "keep seldom asked pages longer"),
    "location": Edit(
        SHOP,
        "    location / {",
        '    location = /robots.txt {\n        return 200 "User-agent: *\\n";\n    }\n\n    location / {',
        "robots.txt",
    ),
    "header": Edit(
        SHOP,
        "        add_header X-Cache",
        "        add_header X-Shop edge always;\n        add_header X-Cache",
        "name the edge",
    ),
    "log_format": Edit(
        "nginx.conf.j2",
        "'$msec $status $upstream_cache_status $request_time $upstream_response_time",
        "'$status $upstream_cache_status $request_time $upstream_response_time $msec $host",
        "log the host, too",
    ),
    "workers": Edit("nginx.conf.j2", "worker_processes 1", "worker_processes 2", "more workers"),
    "unloadable": Edit(SHOP, "    location / {", "    listen {{ origin }};\n\n    location / {", "one more port"),
    "moved": Edit(SHOP, "cache/nginx/shop levels", "cache/nginx/shop2 levels", "new disk"),
}


def variables(prefix: Path, http_port: int) -> dict[str, object]:
    """See Daemon."""
    names: dict[str, object] = {"nginx_bin": binaries.find("nginx")}
    return {**names, **({"nginx_user": "root"} if os.geteuid() == 0 else {})}


def command(prefix: Path, names: Mapping[str, object]) -> list[str]:
    """See Daemon."""
    return [str(names["nginx_bin"]), "-p", f"{prefix}/", "-c", f"{prefix}/etc/nginx/nginx.conf"]
