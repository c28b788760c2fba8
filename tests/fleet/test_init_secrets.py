"""A secret that a server reads in its own folder: left out by `init`, refused by a push that would lose it, and deployed
as a variable that nothing ever says."""

from __future__ import annotations

import datetime
import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deployer.remote import recognise
from deployer.sandbox import repository
from deployer.sandbox.fleet import wait_for
from deployer.sandbox.ports import free_port, listening
from tests.fleet.test_init import Beginner, begin
from tests.fleet.test_init_trees import PROBES

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]
NEEDS = 'needs:  # init left these out; a push without them is refused\n  - "ssl/shop.key"\n'


@pytest.fixture
def single() -> Iterator[Beginner]:
    yield from begin("nginx", 1)


def certificate() -> tuple[bytes, bytes]:
    """PEM of one that signed itself, and of its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(days=1))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.sign(key, hashes.SHA256()).public_bytes(pem), private


def serve_tls(fleet: Beginner, key: bytes, pem: bytes) -> int:
    """nginx goes on with a second port; the port."""
    home, port = fleet.home(), free_port()
    (home / "ssl").mkdir()
    (home / "ssl/shop.crt").write_bytes(pem)
    (home / "ssl/shop.key").write_bytes(key)
    (home / "conf.d/tls.conf").write_text(
        f"server {{\n  listen 127.0.0.1:{port} ssl;\n  ssl_certificate ssl/shop.crt;\n"
        "  ssl_certificate_key ssl/shop.key;\n  location / { return 200; }\n}\n"
    )
    os.kill(int((fleet.host("web1").prefix / "run/nginx.pid").read_text()), signal.SIGHUP)
    wait_for(lambda: listening(port), "the TLS port")
    return port


def answers(port: int) -> bool:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"https://127.0.0.1:{port}/", timeout=5, context=anybody) as answer:
        return bool(answer.status == 200)


def refused(fleet: Beginner, *words: str) -> dict[str, Any]:
    """The error of a push that changed nothing: the same release is live."""
    before = fleet.current("web1")
    code, body, err = fleet.deploy(*words, "--yes")
    assert code == 1, (body, err)
    assert fleet.current("web1") == before
    return dict(body["error"])


def test_a_key_inside_of_the_folder(single: Beginner) -> None:
    """Left out and said, refused before any host is asked; without `needs` by the host's own check; both name the way
    out, which works."""
    pem, key = certificate()
    port, config = serve_tls(single, key, pem), single.sandbox.config
    code, body, err = single.deploy("init", "--from", "web1")
    assert (code, body["left_out"]) == (0, {"ssl/shop.key": "it holds a private key"}), err
    assert "a push is refused until there is a place for ssl/shop.key" in body["todo"][0]
    book = config / "playbooks/nginx/playbook.yml"
    assert book.read_text().endswith(NEEDS)
    (config / "health_checks/nginx.yml").write_text(PROBES)
    single.playbook(bake="2s", confirm_timeout="20s")
    repository.git(config, "init", "-q")
    repository.commit(single.sandbox, "the configuration as it is")
    code, body, err = single.deploy("adopt", "--yes")
    assert code == 0, (body, err)
    remedy = "commit playbooks/nginx/files/ssl/shop.key.j2 with a variable in it that no_log: names"
    error = refused(single, "push")
    assert "playbooks/nginx/playbook.yml: needs ssl/shop.key: not in release" in error["message"]
    assert remedy in error["hint"]
    book.write_text(book.read_text().replace(NEEDS, ""))
    error = refused(single, "push")
    assert "cannot load certificate key" in error["message"]
    assert "ssl/shop.key lies on web1 and is not in the release: on the hosts, move it" in error["hint"]
    assert remedy in error["hint"]
    assert answers(port)

    book.write_text(book.read_text() + NEEDS + "no_log: [shop_tls]\ngroup: root\n")
    (config / "playbooks/nginx/files/ssl/shop.key.j2").write_text("{{ shop_tls }}\n")
    repository.commit(single.sandbox, "the key as a variable")
    kept = single.sandbox.folder / "kept.yml"
    kept.write_text(json.dumps({"all": {"vars": {"shop_tls": key.decode().strip()}}}))
    code, body, err = single.deploy("push", "--yes", "-i", "inventory.yml", "-i", str(kept))
    assert (code, body["result"]) == (0, "deployed"), (body, err)
    live = single.root("web1") / "current/ssl/shop.key"
    assert (live.read_bytes(), live.stat().st_mode & 0o007) == (key, 0)
    assert answers(port)
    line = key.splitlines()[1]
    assert line.decode() not in json.dumps(body) + err
    assert not [path for path in config.rglob("*") if path.is_file() and line in path.read_bytes()]


PARENT = """
import os, subprocess, sys
def child(*words, program="/bin/sleep", **pipes):
    return subprocess.Popen(["haproxy", *words], executable=program, **pipes)
if sys.argv[1:]:  # one of the children, with a child of its own
    child("600"); print(flush=True); sys.stdin.read()
else:
    many = [child("600") for _ in range(9)]
    last = child("-c", sys.orig_argv[2], "again", program=os.environ["PYTHON"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    last.stdout.readline(); print(flush=True); sys.stdin.read()
"""


@pytest.mark.parametrize("shell", ["dash", "busybox"])
def test_of_a_thousand_children_a_few_are_asked(shell: str) -> None:
    """Each costs a busy host time: three of them, and one that has a child itself."""
    from deployer.sandbox.binaries import find

    words = ["haproxy", "-c", PARENT]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
    pipes["env"] = {**os.environ, "PYTHON": sys.executable}  # one that is called otherwise does not know it
    with subprocess.Popen(words, executable=sys.executable, **pipes) as parent:
        assert parent.stdout
        try:
            assert parent.stdout.readline()
            script = Path(recognise.__file__).with_name("recognise.sh")
            start = [find("busybox"), "ash"] if shell == "busybox" else [find("dash")]
            done = subprocess.run([*start, str(script)], capture_output=True, check=True)
        finally:
            os.killpg(parent.pid, signal.SIGKILL)
    processes = recognise.seen(done.stdout).processes
    (boss,) = [p for p in processes if p.pid == parent.pid]
    children = [p for p in processes if p.parent == parent.pid]
    assert boss.words[:2] == ("haproxy", "-c")
    assert 3 <= len(children) <= 4
    assert [p for p in children if p.words[1] == "-c"], "the one that has a child"
