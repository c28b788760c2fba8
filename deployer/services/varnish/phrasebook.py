"""Varnish. The active VCL carries the release's name, so the running process names itself. A VCL whose backends are
probed starts sick (26 answers of 503 in 0.28 s, measured): `vcl.use` waits until none is sick that is well in the VCL
before; on the way back for 2 s, for what has fallen ill meanwhile must not hold up the cure. A restart would empty a
malloc cache, so nothing here ever restarts a living varnishd.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.model.sh import sh
from deployer.services.base import PROCESSES, AccessLog, Binary, Facts, Phrasebook, Piped, ServiceSettings, Start
from deployer.services.logfield import STATUS, TEXT, TIME, WORD

FORMAT = "%s %{Varnish:handling}x %{Varnish:time_firstbyte}x %{User-Agent}i"
PIECES = ("", "status", " ", "cache", " ", "time", " ", "agent", "")
HITS, MISSES = frozenset(("hit", "streaming-hit")), frozenset(("miss", "hitmiss"))
PASSES = frozenset(("pass", "hitpass", "pipe"))
NOTHING = frozenset(("-", "", "synth", "error"))
FORMS = (STATUS, WORD, TIME, TEXT)


FACTS = Facts(
    check="`varnishd -C` compiles the staged VCL in a scratch directory",
    reload="`vcl.load`, wait until no backend is sick that is well in the VCL before, `vcl.use`",
    proof="the active VCL bears the release's name",
    cache_after_reload="kept; lost with another key (vcl_hash, req.url, the host)",
    cache_after_restart="lost (malloc storage)",
    way_back="`vcl.use` of the VCL before, which was kept warm, however well its backends are",
    traffic="varnishncsa, a second at a time (a sample: what is asked between two of them is not seen)",
    counters="varnishstat: client_req, cache_hit, cache_miss, backend_req",
    restarts="never: what needs one (storage, ports) is not part of a release",
    cannot="change the arguments of varnishd",
)


def given(settings: ServiceSettings) -> Mapping[str, str]:
    """Host variables: varnishd_bin, varnishadm_bin, varnishstat_bin, varnishncsa_bin, varnish_workdir (-n),
    varnish_listen (-a), varnish_args, varnish_check_args (further options, split at spaces)."""
    return {
        "VARNISHD": settings.var("varnishd_bin", "varnishd"),
        "VARNISHADM": settings.var("varnishadm_bin", "varnishadm"),
        "VARNISHSTAT": settings.var("varnishstat_bin", "varnishstat"),
        "WORKDIR": settings.var("varnish_workdir"),
        "LISTEN": settings.var("varnish_listen", f":{settings.var('http_port', '80')}"),
        "VARNISH_ARGS": settings.var("varnish_args", "-s malloc,256m"),
        "VARNISH_CHECK_ARGS": settings.var("varnish_check_args"),
    }


def access_log(files: Mapping[str, bytes], settings: ServiceSettings) -> AccessLog | None:
    """The log in shared memory, whatever the VCL is; a second of it at a time."""
    workdir, binary = settings.var("varnish_workdir"), settings.var("varnishncsa_bin", "varnishncsa")
    ncsa = [binary, *(["-n", workdir] if workdir else [])]
    past = sh("timeout 10 {} -d -F {}", ncsa, '"%r" "%{User-agent}i"')
    now = sh("|exec timeout 1 {} -F {}", ncsa, FORMAT)
    return AccessLog(Piped(now), PIECES, 1000.0, HITS, MISSES, PASSES, FORMS, NOTHING, top=past)


VARNISH = Phrasebook(
    name="varnish",
    title="Varnish",
    facts=FACTS,
    files=(PROCESSES, "varnish/phrases.sh"),
    given=given,
    access_log=access_log,
    binaries=(
        Binary("varnishd_bin", "varnishd", "-V"),
        Binary("varnishadm_bin", "varnishadm", "-h"),
    ),
    start=Start("-f", "/etc/varnish/default.vcl"),
    entry="default.vcl",
    counters=frozenset(("n", "look", "miss", "orig")),
    keeps_cache=True,
    keeps_cache_on_restart=False,
)
