"""varnishd in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.sandbox import binaries
from deployer.sandbox.daemons import Edit

NEEDED = ("varnish", "libvarnishapi3", "libjemalloc2")
PACKAGES = dict.fromkeys(("varnishd", "varnishadm", "varnishstat", "varnishncsa"), NEEDED)
VCL = "default.vcl.j2"
EDITS = {
    "good": Edit(VCL, "beresp.ttl = 10m", "beresp.ttl = 15m", "keep pages a little longer"),
    "incident": Edit(
        VCL, 'if (req.http.Cookie ~ "preview=") {', "if (req.http.User-Agent) {", "previews in the app, too"
    ),
    "latency": Edit(VCL, "sub vcl_recv {", "import vtc;\n\nsub vcl_recv {\n    vtc.sleep(60ms);", "take a breath"),
    "errors": Edit(
        VCL,
        "sub vcl_recv {",
        "import std;\n\nsub vcl_recv {\n    if (std.random(0, 100) < 2) {\n        return (synth(503));\n    }",
        "turn a few away",
    ),
    "hit_ratio": Edit(
        VCL,
        "sub vcl_recv {",
        "import std;\n\nsub vcl_hash {\n    if (std.random(0, 100) < 10) {\n        hash_data(req.xid);\n    }\n}\n\n"
        "sub vcl_recv {",
        "pages of their own for some",
    ),
    "database": Edit(
        VCL,
        "sub vcl_backend_response {",
        'sub vcl_backend_fetch {\n    set bereq.http.X-Shop-Mode = "heavy";\n}\n\nsub vcl_backend_response {',
        "recommendations on every page",
    ),
    "comment": Edit(VCL, "    unset req.http.Cookie;", "    # no cookies\n    unset req.http.Cookie;", "explain"),
    "ttl": Edit(VCL, "beresp.ttl = 10m", "beresp.ttl = 20m", "keep pages longer"),
    "location": Edit(
        VCL,
        "    unset req.http.Cookie;",
        '    if (req.url == "/robots.txt") {\n        return (synth(200));\n    }\n    unset req.http.Cookie;',
        "robots.txt",
    ),
    "header": Edit(VCL, "sub vcl_deliver {", 'sub vcl_deliver {\n    set resp.http.X-Shop = "edge";', "name the edge"),
    "syntax": Edit(VCL, "sub vcl_recv {", "sub vcl_recv { bogus", "oops"),
}


def variables(prefix: Path, http_port: int) -> dict[str, object]:
    """See Daemon."""
    vmods = binaries.vmod_path()
    return {
        "varnishd_bin": binaries.find("varnishd"),
        "varnishadm_bin": binaries.find("varnishadm"),
        "varnishstat_bin": binaries.find("varnishstat"),
        "varnishncsa_bin": binaries.find("varnishncsa"),
        "varnish_workdir": str(prefix / "var/lib/varnish"),
        "varnish_listen": f"127.0.0.1:{http_port}",
        "varnish_args": "-s malloc,32m" + (f" -p vmod_path={vmods}" if vmods else ""),
        "varnish_check_args": f"-p vmod_path={vmods}" if vmods else "",
    }


def command(prefix: Path, names: Mapping[str, object]) -> list[str]:
    """See Daemon."""
    words = [str(names["varnishd_bin"]), "-n", str(names["varnish_workdir"]), "-a", str(names["varnish_listen"])]
    return [*words, "-f", f"{prefix}/etc/varnish/default.vcl", *str(names["varnish_args"]).split()]
