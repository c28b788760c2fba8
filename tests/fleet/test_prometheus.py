"""A real Prometheus that watches the shop's database: its figure is judged, and without it nothing is."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployer.sandbox import binaries, repository
from deployer.sandbox.ports import free_port
from tests.fleet.conftest import CHECK, Fleet, eventually, make_fleet

pytestmark = [pytest.mark.xdist_group("prometheus"), pytest.mark.timeout(400), pytest.mark.long]

QUERY = "sum(rate(shop_queries_total[5s]))"


@dataclass
class Prometheus:
    """The daemon, scraping the origin every second, on a port of its own."""

    folder: Path
    origin: int
    port: int
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it has answered the query with a figure."""
        file = self.folder / "prometheus.yml"
        file.write_text(
            "global: {scrape_interval: 1s}\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['127.0.0.1:{self.origin}']}}]}}]\n"
        )
        words = [binaries.find("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={self.folder}/data"]
        with (self.folder / "log").open("ab") as log:
            address = f"--web.listen-address=127.0.0.1:{self.port}"
            self.child = subprocess.Popen([*words, address], stdout=log, stderr=log)
        eventually(self.answers, 30, "Prometheus has seen the shop for a while")

    def answers(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/api/v1/query?query={QUERY}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(json.load(answer)["data"]["result"])
        except OSError:
            return False

    def kill(self) -> None:
        if self.child:
            self.child.kill()
            self.child.wait()
            self.child = None


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    yield from make_fleet("nginx", 2)


@pytest.fixture
def prometheus(fleet: Fleet, tmp_path: Path) -> Iterator[Prometheus]:
    found = Prometheus(tmp_path, fleet.sandbox.origin_port, free_port())
    query = f"db_queries: {{query: '{QUERY}', max_increase: 30%}}"
    text = CHECK.replace("{traffic: none}", f"{{prometheus: {{url: 'http://127.0.0.1:{found.port}', {query}}}}}")
    (fleet.sandbox.config / "health_checks/storefront.yml").write_text(text)
    fleet.playbook(bake="20s")  # and so a past of 30 s
    repository.commit(fleet.sandbox, "watch the database")
    try:
        found.start()
        yield found
    finally:
        found.kill()


def test_only_the_database_suffers(fleet: Fleet, prometheus: Prometheus) -> None:
    """Users notice nothing; the database has to answer far more. It is named, and the other host never had it."""
    fleet.sandbox.start_traffic(rate=20, seconds=300, carts=0.5)
    before = fleet.currents()
    repository.commit_edit(fleet.sandbox, "database")
    code, body, err = fleet.deploy("push", "--yes")
    repository.git(fleet.sandbox.config, "revert", "--no-edit", "HEAD")
    assert (code, body["verdict"]["ruling"]) == (3, "regressed"), (body.get("verdict"), err)
    assert body["verdict"]["because"].startswith("db_queries: "), body["verdict"]["because"]
    assert body["hosts"]["web2"]["state"] == "untouched"
    assert fleet.currents() == before


def test_gone_before_the_push(fleet: Fleet, prometheus: Prometheus) -> None:
    """Nothing is changed on account of a figure that nobody gives, nor measured: it is known at once."""
    prometheus.kill()
    before = fleet.currents()
    repository.commit_edit(fleet.sandbox, "comment")
    code, body, err = fleet.deploy("push", "--yes")
    assert code == 1, (body, err)
    assert "figure db_queries (health_checks/storefront.yml:" in body["error"]["message"], body["error"]
    assert "baseline" not in err, err
    assert fleet.currents() == before


def test_gone_in_mid_watch(fleet: Fleet, prometheus: Prometheus) -> None:
    """Whatever else looks well: not healthy, and put back."""
    fleet.sandbox.start_traffic(rate=20, seconds=300, carts=0.5)
    before = fleet.currents()
    child = fleet.start("push", "--yes", "--json")
    eventually(lambda: fleet.current("web1") not in before, 90, "the canary has the new release")
    prometheus.kill()
    out, err = child.communicate(timeout=300)
    body = json.loads(out)
    assert (child.returncode, body["verdict"]["ruling"]) == (3, "inconclusive"), (body, err)
    assert "db_queries" in body["verdict"]["because"], body["verdict"]["because"]
    assert fleet.currents() == before
