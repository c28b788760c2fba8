"""Traffic Server in the sandbox: where its files lie is said by a runroot, which lies outside the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.sandbox import binaries
from deployer.sandbox.daemons import Edit

NEEDED = (
    *("trafficserver", "libhwloc15", "libluajit-5.1-2", "libmaxminddb0", "libunwind8", "libyaml-cpp0.7"),
    *("libpcre3", "libcap2", "libbrotli1", "libcurl4"),
)
PACKAGES = dict.fromkeys(("traffic_manager", "traffic_server", "traffic_ctl", "traffic_layout"), NEEDED)
EDITS = {
    "good": Edit(
        "records.config.j2", "heuristic_max_lifetime INT 86400", "heuristic_max_lifetime INT 172800", "longer"
    ),
    "incident": Edit(
        "cache.config", "url_regex=/preview/ action", "url_regex=/ action", "previews in the app, too: never cached"
    ),
    "syntax": Edit("remap.config.j2", "map /", "mapp /", "oops"),
    "unloadable": Edit("ip_allow.yaml", "methods: ALL", "methods: [ALL", "all methods"),
}


def variables(prefix: Path, http_port: int) -> dict[str, object]:
    """See Daemon."""
    return {
        **{f"{name}_bin": binaries.find(name) for name in PACKAGES},
        "ts_runroot": f"{prefix}/trafficserver-runroot.yaml",
        "ts_user": "#-1",  # whoever started it
    }


def command(prefix: Path, names: Mapping[str, object]) -> list[str]:
    """See Daemon. Writes the runroot first."""
    runroot, run = Path(str(names["ts_runroot"])), prefix / "run/trafficserver"
    run.mkdir(exist_ok=True)
    runroot.write_text("".join(f"{key}: {path}\n" for key, path in places(prefix).items()))
    start = 'cd "$1" && TS_RUNROOT=$2 setsid "$3" --run-root="$2" >"$1/traffic.out" 2>&1 </dev/null &'
    return ["sh", "-c", start, "sh", str(run), str(runroot), str(names["traffic_manager_bin"])]


def places(prefix: Path) -> dict[str, str]:
    """The runroot: what belongs to the host lies below prefix, the programs where they are."""
    manager = Path(str(binaries.find("traffic_manager")))
    base = manager.parents[1] / "root" if manager.is_relative_to(binaries.cache_folder()) else Path("/")
    cache = f"{prefix}/var/cache/trafficserver"
    return {
        "prefix": str(prefix),
        "exec_prefix": str(prefix),
        "bindir": str(base / "usr/bin"),
        "sbindir": str(base / "usr/bin"),
        "libdir": str(base / "usr/lib/trafficserver"),
        "libexecdir": str(base / "usr/lib/trafficserver/modules"),
        "sysconfdir": f"{prefix}/etc/trafficserver",
        "runtimedir": f"{prefix}/run/trafficserver",
        "logdir": f"{prefix}/var/log/trafficserver",
        "localstatedir": f"{prefix}/var",
        **dict.fromkeys(("cachedir", "datadir", "includedir", "mandir", "infodir"), cache),
    }
