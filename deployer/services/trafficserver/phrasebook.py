"""Apache Traffic Server 9.2. `traffic_ctl config reload` exits 0 before anything was read, `verify_config` exits 0 for
any line of records.config, and what is refused is only said in diags.log. Measured, and why the functions look as they
do:

- A file is read again only when its time is newer than the last one seen, and the files of a release are older than
  any: those that differ are touched.
- A record whose line is gone keeps its value over a reload, so that going back would keep what the bad release set: it
  is set to its default. A static record shows its new value at once and has it only after a restart: what a reload
  cannot make live is refused before anything is read.
- Every file that is read again says `X loading ...` and `X finished loading` (or `failed to load`) in diags.log, within
  two config_update_interval_ms; records are read back by name. That is the proof. What was not chosen, and why:
  `config status` says "current" for a refused remap.config; reconfigure_time counts commands, not acceptance.
- A restart forgets what came into the cache since its directory was last written: a minute, unless a record says less.
- Without its body_factory the server does not start, and nothing says so before.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.services.base import PROCESSES, STAGED, Binary, Facts, Phrasebook, ServiceSettings, Start
from deployer.services.trafficserver.access_log import access_log

FACTS = Facts(
    check="names, types and values of records.config; `traffic_server -C verify_config` on the staged tree in a "
    "scratch runroot",
    reload="`traffic_ctl config reload` of the files that differ; records that are gone are set to their default",
    proof="diags.log says that each file which differs was read by the very same process, and every record is read "
    "back",
    cache_after_reload="kept; lost with another cachekey plugin, target of a map, or hosting.config",
    cache_after_restart="kept (on disk) but for the last minute (cache.dir.sync_frequency); lost with storage.config, "
    "volume.config",
    way_back="reload",
    traffic="a log of logging.yaml in mode ascii with `%<crc> %<pssc> %<ttms> %<shn>`",
    counters="traffic_ctl metric match proxy.process.http (up to 5 s old)",
    restarts="static records (ports, threads), plugin.config, body_factory, storage.config, volume.config",
    cannot="check the YAML files and cache.config before they are read; tell a request that was not looked up from "
    "a miss in the log",
)


def given(settings: ServiceSettings) -> Mapping[str, str]:
    """Traffic Server 9 with traffic_manager. Host variables: traffic_server_bin, traffic_manager_bin, traffic_ctl_bin,
    traffic_layout_bin, ts_runroot ("" for the places the package was built with), ts_unit (of systemd)."""
    return {
        "SERVER": settings.var("traffic_server_bin", "traffic_server"),
        "MANAGER": settings.var("traffic_manager_bin", "traffic_manager"),
        "CTL": settings.var("traffic_ctl_bin", "traffic_ctl"),
        "LAYOUT": settings.var("traffic_layout_bin", "traffic_layout"),
        "RUNROOT": settings.var("ts_runroot"),
        "UNIT": settings.var("ts_unit", "trafficserver"),
    }


TRAFFIC_SERVER = Phrasebook(
    name="trafficserver",
    title="Apache Traffic Server",
    facts=FACTS,
    files=(
        PROCESSES,
        STAGED,
        "trafficserver/phrases.sh",
        "trafficserver/reload.sh",
        "trafficserver/change.sh",
        "trafficserver/check.sh",
    ),
    given=given,
    access_log=access_log,
    binaries=(
        Binary("traffic_manager_bin", "traffic_manager", "--version"),
        Binary("traffic_server_bin", "traffic_server", "--version"),
        Binary("traffic_ctl_bin", "traffic_ctl", "--version"),
    ),
    start=Start("", "/etc/trafficserver/records.config"),
    entry="records.config",
    counters=frozenset(("n", "err", "look", "miss", "orig")),
    keeps_cache=True,
    keeps_cache_on_restart=True,
)
