"""Bad input: file, line, column, what is wrong, what is allowed; never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck as Allow
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.adapters.reading.inventory import environment_hosts, load_inventory
from deployer.adapters.reading.playbooks import choose_playbook, load_health_checks, load_playbook
from deployer.adapters.reading.yaml_source import parse_yaml
from deployer.model.errors import DeployError, InputError, UsageError
from deployer.model.pattern import select

INVENTORY = """\
all:
  vars: {ansible_user: deploy, tier: all}
  children:
    edge:
      vars: {tier: edge}
      hosts:
        web[01:03].example.com:
        web04.example.com: {ansible_port: 2222, tier: own}
    cache:
      hosts:
        c-[a:b]:
    production: {children: {edge: {}, cache: {}}}
    staging: {hosts: {stage1: {}}}
"""


def inventory(tmp_path: Path, text: str, name: str = "inventory.yml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def playbook(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "playbooks/nginx"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "playbook.yml").write_text(text)
    return tmp_path


GOOD = "service: nginx\nhosts: edge\ndest: /etc/nginx\n"


def test_inventory_as_ansible_reads_it(tmp_path: Path) -> None:
    """Ranges, children, variables and their precedence, environments."""
    fleet = load_inventory(inventory(tmp_path, INVENTORY))
    names = ["web01.example.com", "web02.example.com", "web03.example.com", "web04.example.com", "c-a", "c-b", "stage1"]
    assert list(fleet.hosts) == names
    assert fleet.groups["production"] == tuple(names[:6])
    web4 = fleet.hosts["web04.example.com"]
    assert (web4.port, web4.user, web4.vars["tier"]) == (2222, "deploy", "own")
    assert fleet.hosts["web01.example.com"].vars["tier"] == "edge"
    assert fleet.hosts["c-a"].vars["tier"] == "all"
    assert environment_hosts(fleet, "edge", "production")[1] == tuple(names[:4])
    assert environment_hosts(fleet, "edge", None)[0] == "production"


def test_ini_inventory(tmp_path: Path) -> None:
    """The same from an INI file."""
    text = "[edge]\nweb[1:2] ansible_port=2200\n[edge:vars]\ntier=x\n[production:children]\nedge\n"
    fleet = load_inventory(inventory(tmp_path, text, "hosts"))
    assert fleet.groups["production"] == ("web1", "web2")
    assert (fleet.hosts["web1"].port, fleet.hosts["web2"].vars["tier"]) == (2200, "x")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("edge", "web01 web02 web03 web04"),
        ("edge:!web04.example.com", "web01 web02 web03"),
        ("production:&cache", "c-a c-b"),
        ("web0[12]*", "web01 web02"),
        ("~web0[34]", "web03 web04"),
        ("edge[0],stage1", "web01 stage1"),
        ("edge[1:2]", "web02 web03"),
        ("*:!production", "stage1"),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, names: str) -> None:
    """Ansible's words, in inventory order."""
    fleet = load_inventory(inventory(tmp_path, INVENTORY))
    assert " ".join(name.split(".")[0] for name in select(fleet, pattern)) == names


@pytest.mark.parametrize("pattern", ["", "nope", "edge:!edge", "~(", "wab01.example.com"])
def test_bad_patterns(tmp_path: Path, pattern: str) -> None:
    """A usage error that names what there is."""
    with pytest.raises(UsageError):
        select(load_inventory(inventory(tmp_path, INVENTORY)), pattern)


BAD_INVENTORIES = {
    "": "no hosts are defined",
    "# only a comment\n": "no hosts are defined",
    "all:\n\thosts: {}\n": "not YAML",
    "a: b: c\n": "inventory.yml:1:",
    "all: [\n": "not YAML",
    "all: {hosts: {a: {}}}\n---\nb: {}\n": "second document",
    "all:\n  hosts: {a: {}}\n  hosts: {b: {}}\n": "`hosts` is defined twice (lines 2 and 3)",
    "x: &a {hosts: {h: {}}}\ny: *a\n": "anchors and aliases are not allowed",
    "all: {hosts: {a: {<<: {b: c}}}}\n": "merge keys are not allowed",
    "all: {hosts: {a: !!python/object:os.system {}}}\n": "is not allowed here",
    "all: {hosts: {a: !vault x}}\n": "!vault is not allowed",
    "all: {hots: {a: {}}}\n": "unknown key `hots`",
    "all: {hosts: {a: {ansible_port: 22:22}}}\n": "`ansible_port` is 1342 (written 22:22)",
    "all: {hosts: {a: {ansible_port: 0022}}}\n": "`ansible_port` is 18 (written 0022)",
    "all: {hosts: {a: {ansible_port: -1}}}\n": "`ansible_port` is -1",
    "all: {hosts: {a: {ansible_port: 70000}}}\n": "70000",
    "all: {hosts: {-oProxyCommand=x: {}}}\n": "is not a host name",
    "all: {hosts: {a b: {}}}\n": "is not a host name",
    "all: {hosts: {'web1;id': {}}}\n": "is not a host name",
    "all: {hosts: {a: {become_password: x}}}\n": "secrets are not read",
    "all: {hosts: {a: {ansible_host: '{{ x }}'}}}\n": "templates in the inventory are not supported",
    "a: {hosts: {h: {p: 1}}}\nb: {hosts: {h: {p: 2}}}\n": "`p` is 2 here and 1 elsewhere",
    "a: {children: {b: {children: {a: {hosts: {h: {}}}}}}}\n": "groups go in a circle: a > b > a",
    "all: {hosts: [a, b]}\n": "must be a map",
    "all: {hosts: {'w[1:99999999][1:99999999]': {}}}\n": "more than 20000 hosts",
    "all: {hosts: {'w[1:[1:2]]': {}}}\n": "is not a host name",
    "all: {hosts: {'w[1:99999999][3:1]': {}}}\n": "a range goes up",
    "all: {hosts: {'w[3:1]': {}}}\n": "a range goes up",
    f"all: {{hosts: {{'w[1:{'9' * 300}]': {{}}}}}}\n": "is not a host name",
    f"all: {{hosts: {{'{'[1:1]' * 190}': {{}}}}}}\n": "a range goes up",
}


@pytest.mark.parametrize("text", list(BAD_INVENTORIES))
def test_bad_inventories(tmp_path: Path, text: str) -> None:
    """Each its clear error."""
    with pytest.raises(InputError) as caught:
        load_inventory(inventory(tmp_path, text))
    assert BAD_INVENTORIES[text] in caught.value.message


def test_host_names_are_text(tmp_path: Path) -> None:
    """`no` and `0777` are a boolean and a number, which Ansible refuses, too; in quotes they are hosts."""
    fleet = load_inventory(inventory(tmp_path, "all: {hosts: {'no': {}, 1e3: {}, '0777': {}}}\n"))
    assert list(fleet.hosts) == ["no", "1e3", "0777"]
    for name in ("no", "0777", "2024-01-01", "~"):
        with pytest.raises(InputError, match="no text but of type"):
            load_inventory(inventory(tmp_path, f"all: {{hosts: {{{name}: {{}}}}}}\n"))


def test_too_large_and_too_deep(tmp_path: Path) -> None:
    """Bounded before it is expanded."""
    with pytest.raises(InputError, match="1 MiB"):
        load_inventory(inventory(tmp_path, "# " + "x" * 1_100_000))
    with pytest.raises(InputError, match="nested deeper"):
        load_inventory(inventory(tmp_path, "{a: " * 60 + "1" + "}" * 60))


BAD_PLAYBOOKS = {
    "servce: nginx\nhosts: edge\ndest: /etc/nginx\n": (
        "playbook.yml:1:1: unknown key `servce`",
        "did you mean `service`?",
    ),
    "service: ngnx\nhosts: edge\ndest: /e/n\n": ("playbook.yml:1:1", ""),
    "hosts: edge\ndest: /etc/nginx\n": ("`service` is missing", ""),
    GOOD + "bake: 10 minuts\n": ("playbook.yml:4:1: `bake`: '10 minuts' is not a duration", ""),
    GOOD + "bake: 0s\n": ("`bake`: must be longer", ""),
    GOOD + "bake: 60\n": ("is not a duration", ""),
    GOOD + "serial: [1, 150%]\n": ("'150%' is not a wave size", ""),
    GOOD + "serial: []\n": ("serial is empty", ""),
    GOOD + "confirm_timeout: 1s\n": ("confirm_timeout", ""),
    "service: nginx\nhosts: edge\ndest: ../x\n": ("must be an absolute path", ""),
    "service: nginx\nhosts: edge\ndest: /\n": ("must be an absolute path", ""),
    **{
        f"service: nginx\nhosts: edge\ndest: {dest}\n": ("is the system's, not one service's", "")
        for dest in ("/etc", "/etc/", "/usr/local/etc", "/var/lib", "/etc/ssh", "/proc/1", "/home")
    },
    "service: custom\nhosts: edge\ndest: /etc/x\n": ("needs `custom:`", ""),
    "- hosts: edge\n  tasks: []\n": ("this is an Ansible playbook", "ansible-playbook"),
    "just text\n": ("a map of keys is expected", ""),
}


@pytest.mark.parametrize("text", list(BAD_PLAYBOOKS))
def test_bad_playbooks(tmp_path: Path, text: str) -> None:
    """File, line, column, caret, and what was meant."""
    with pytest.raises(InputError) as caught:
        load_playbook(playbook(tmp_path, text), "nginx")
    message, hint = BAD_PLAYBOOKS[text]
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "^" in caught.value.excerpt


def test_playbook_with_the_users_own_keys(tmp_path: Path) -> None:
    """`x-` keys are ignored; defaults are DESIGN's."""
    found = load_playbook(playbook(tmp_path, GOOD + "x-owner: team\nserial: [1, 25%]\nbake: 90s\n"), "nginx")
    assert (found.name, found.serial, found.bake, found.confirm_timeout) == ("nginx", ("1", "25%"), 90.0, 60.0)


def test_a_missing_playbook_and_a_missing_check(tmp_path: Path) -> None:
    """What there is, is named."""
    root = playbook(tmp_path, GOOD)
    assert choose_playbook(root, None) == "nginx"
    with pytest.raises(InputError, match="no playbook is called 'ngnix'") as caught:
        choose_playbook(root, "ngnix")
    assert "nginx" in caught.value.hint
    with pytest.raises(InputError, match="no health check is called 'shop'"):
        load_health_checks(root, ("shop",))


BAD_CHECKS = {
    "probes: [{name: a, url: 'file:///etc/passwd'}]\n": "neither a path nor http",
    "probes: [{name: a, url: /, rate: 5}]\n": "is not a rate",
    "probes: [{name: a, url: /, exepct: 200}]\n": "unknown key `exepct`",
    "limit: {error_rate: 5}\n": "is not a percentage",
    "limit: {error_rate: nan}\n": "is not a percentage",
    "limit: {latency_p95: -1ms}\n": "is not a duration",
    "inconclusive: maybe\n": "inconclusive",
}


@pytest.mark.parametrize("text", list(BAD_CHECKS))
def test_bad_health_checks(tmp_path: Path, text: str) -> None:
    """Each its clear error."""
    (tmp_path / "health_checks").mkdir()
    (tmp_path / "health_checks/shop.yml").write_text(text)
    with pytest.raises(InputError) as caught:
        load_health_checks(tmp_path, ("shop",))
    assert BAD_CHECKS[text] in caught.value.message


def test_the_examples_of_this_repository_are_real() -> None:
    """inventory.yml, playbooks/ and health_checks/ at the top level are valid."""
    root = Path(__file__).parents[2]
    fleet = load_inventory(root / "inventory.yml")
    for name in ("nginx", "varnish"):
        book = load_playbook(root, name)
        assert environment_hosts(fleet, book.hosts, None)[0] == "production"
        assert load_health_checks(root, book.health_checks).probes


YAMLISH = st.text(alphabet="ab:- []{}&*!<>|#\n\t'\"0%~?,x", max_size=60)


@settings(max_examples=1500, suppress_health_check=[Allow.function_scoped_fixture], deadline=None)
@given(YAMLISH, st.sampled_from(["inventory.yml", "hosts"]))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str, name: str) -> None:
    """Nothing but a DeployError comes out of a reader."""
    try:
        parse_yaml(text, "f")
        load_inventory(inventory(tmp_path, text, name))
        load_playbook(playbook(tmp_path, text), "nginx")
    except DeployError:
        return
