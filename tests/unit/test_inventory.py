"""An ordinary Ansible inventory, read whole or refused by name. tests/ansible compares with ansible-core itself."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.adapters.local.rendering import render_packages
from deployer.adapters.reading.inventory import environment_hosts, load_inventory
from deployer.adapters.reading.inventory.checks import refuse_unread_vars
from deployer.adapters.reading.inventory.settings import Settings, read_settings, settled
from deployer.adapters.ssh.config import resolve
from deployer.model.errors import InputError, UsageError
from deployer.model.fleet import Fleet
from deployer.model.pattern import select
from deployer.model.release import SourceFile


def read(root: Path, files: dict[str, str], *sources: str) -> Fleet:
    """files: by path; sources: what -i is given, by default the first file."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return load_inventory(*(root / name for name in sources or [next(iter(files))]))


def rendered(fleet: Fleet, template: str, host: str = "web1") -> str:
    """The template as it lands on a host."""
    source = SourceFile("a.conf", template.encode(), template=True)
    return render_packages([source], [fleet.hosts[host]])[host]["a.conf"][0].decode()


TOP_LEVEL = "edge: {hosts: {web1: , web2: }}\nproduction: {hosts: {web1: }}\nstaging: {hosts: {web2: }}\n"
BELOW_ALL = "all:\n  children:\n" + "".join(f"    {line}\n" for line in TOP_LEVEL.splitlines())
IN_INI = "[edge]\nweb1\nweb2\n[production]\nweb1\n[staging]\nweb2\n"


@pytest.mark.parametrize(("name", "text"), [("i.yml", TOP_LEVEL), ("i.yml", BELOW_ALL), ("hosts", IN_INI)])
def test_p03_three_spellings_of_one_inventory_have_the_same_environments(tmp_path: Path, name: str, text: str) -> None:
    """Production and staging are never pushed in one go because groups stand at the top level."""
    fleet = read(tmp_path, {name: text})
    with pytest.raises(UsageError, match="which environment") as caught:
        environment_hosts(fleet, "edge", None)
    assert caught.value.hint == "pass -e with one of: production, staging"
    assert environment_hosts(fleet, "edge", "staging") == ("staging", ("web2",))


def test_p03_a_group_below_another_is_no_environment(tmp_path: Path) -> None:
    """Listed below all as well or not."""
    files = {"i.yml": "all: {children: {edge: {hosts: {web1: }}, production: {children: {edge: {}}}}}\n"}
    assert read(tmp_path, files).environments == ("production",)
    assert read(tmp_path, {"hosts": "[edge]\nweb1\n[production:children]\nedge\n"}).environments == ("production",)


@pytest.mark.parametrize(
    ("written", "value", "shown"),
    [
        ("no", False, "False"),
        ("Off", False, "False"),
        ("yes", True, "True"),
        ("on", True, "True"),
        ("y", "y", "y"),
        ("'no'", "no", "no"),
        ("0x1F", 31, "31"),
        ("010", 8, "8"),
        ("08", "08", "08"),
        ("1_000", 1000, "1000"),
        ("1e3", "1e3", "1e3"),
        ("1.5", 1.5, "1.5"),
        ("22:22", 1342, "1342"),
        ("~", None, ""),
        ("", None, ""),
        ("2024-01-01", datetime.date(2024, 1, 1), "2024-01-01"),
        ("2024-01-01 10:00:00", datetime.datetime(2024, 1, 1, 10), "2024-01-01 10:00:00"),  # noqa: DTZ001
        ("[no, 0x10, ~]", [False, 16, None], "[False, 16, None]"),
    ],
)
def test_p05_scalars_are_typed_as_ansible_types_them(tmp_path: Path, written: str, value: object, shown: str) -> None:
    """And look in a template as Ansible's do."""
    fleet = read(tmp_path, {"i.yml": f"all: {{hosts: {{web1: {{x: {written}}}}}}}\n"})
    assert (type(fleet.hosts["web1"].vars["x"]), fleet.hosts["web1"].vars["x"]) == (type(value), value)
    assert rendered(fleet, "{{ x }}") == shown


def test_p05_no_is_no_in_a_template(tmp_path: Path) -> None:
    """The case of the report."""
    fleet = read(tmp_path, {"i.yml": "all: {hosts: {web1: {cache_enabled: no}}}\n"})
    assert rendered(fleet, "proxy_cache {% if cache_enabled %}shop{% else %}off{% endif %};") == "proxy_cache off;"


def test_p06_variable_files_beside_the_inventory_are_read(tmp_path: Path) -> None:
    """Files and folders; stronger than what stands in the inventory, a host's stronger than its groups'."""
    files = {
        "prod/hosts": "[edge]\ncache1 note=inline\n[edge:vars]\norigin=x\n",
        "prod/group_vars/all.yml": "ansible_user: deploy\nansible_port: 2200\norigin: a\nnote: all\n",
        "prod/group_vars/edge/main.yml": "http_port: 8080\norigin: b\n",
        "prod/group_vars/edge/z/more.json": '{"tier": 1e3}',
        "prod/group_vars/edge/.hidden.yml": "origin: never\n",
        "prod/group_vars/edge/notes.txt": "origin: never\n",
        "prod/host_vars/cache1.yml": "ansible_host: 10.1.1.9\n",
    }
    for source in ("prod/hosts", "prod"):
        host = read(tmp_path, files, source).hosts["cache1"]
        assert (host.address, host.port, host.user, host.http_port) == ("10.1.1.9", 2200, "deploy", 8080)
        assert (host.vars["origin"], host.vars["note"], host.vars["tier"]) == ("b", "inline", 1000.0)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("group_vars/edge.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", "group_vars/edge.yml:1:1: .*ansible-vault"),
        ("group_vars/edge.yml", "x: !vault |\n  6162\n", "group_vars/edge.yml:1:4: the tag !vault"),
        ("group_vars/edge.yml", "- a\n", "group_vars/edge.yml:1:1: a map of variables"),
        ("group_vars/edge.yml", "a: 1\na: 2\n", "edge.yml:2:1: `a` is defined twice"),
        ("group_vars/edge.yml", "ansible_group_priority: 5\n", "edge.yml:1:1: .*does not read it from group_vars"),
        ("host_vars/web1.yml", "ansible_password: secret\n", "web1.yml:1:1: .*secrets are not read"),
        ("host_vars/web1.yml", "a: '{{ b }}'\n", "web1.yml:1:1: .*templates"),
        ("host_vars", "a: 1\n", "host_vars: a folder is expected"),
    ],
)
def test_p06_what_a_variable_file_may_not_say(tmp_path: Path, name: str, text: str, why: str) -> None:
    """By its name, with the line."""
    with pytest.raises(InputError, match=why):
        read(tmp_path, {"i.ini": "[edge]\nweb1\n", name: text})


def test_p06_two_files_of_one_group(tmp_path: Path) -> None:
    """Ansible reads the first and is silent of the second."""
    files = {"i.ini": "[edge]\nweb1\n", "group_vars/edge/a.yml": "a: 1\n", "group_vars/edge.yml": "b: 2\n"}
    with pytest.raises(InputError, match=r"edge.yml: Ansible does not read it beside edge"):
        read(tmp_path, files)


def test_p06_variables_at_the_top_of_the_checkout(tmp_path: Path) -> None:
    """Where a playbook of Ansible's would lie; stronger than what lies beside the inventory."""
    files = {
        "inventories/prod/hosts": "[edge]\nweb1\n",
        "inventories/prod/group_vars/edge.yml": "x: beside\ny: beside\n",
        "group_vars/all.yml": "y: top, weak\nz: top\n",
        "group_vars/edge.yml": "x: top\n",
    }
    read(tmp_path, files)
    host = load_inventory(tmp_path / "inventories/prod/hosts", beside=tmp_path).hosts["web1"]
    assert host.vars == {"x": "top", "y": "beside", "z": "top"}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("playbooks/group_vars/all.yml", "a: 1\n", "playbooks/group_vars: variables here are not read"),
        ("playbooks/nginx/host_vars/a.yml", "a: 1\n", "playbooks/nginx/host_vars: variables here are not read"),
    ],
)
def test_p06_what_ansible_would_read_elsewhere(tmp_path: Path, name: str, text: str, why: str) -> None:
    """Is refused, by its name."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=why):
        refuse_unread_vars(tmp_path, "nginx")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[defaults]\nhash_behaviour = merge\n", "hash_behaviour = merge would give hosts other"),
        ("[defaults]\nremote_user = a b\n", r"ansible.cfg: remote_user = 'a b' is not a user's name"),
        ("no section\n", "cannot read .*ansible.cfg"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, text: str, why: str) -> None:
    """Those that change variables, and what cannot be read."""
    (tmp_path / "ansible.cfg").write_text(text)
    with pytest.raises(InputError, match=why):
        read_settings(tmp_path, named=False)


def test_settings_of_ansible_say_as_whom_to_connect(tmp_path: Path) -> None:
    """The user and the key, for hosts of which the inventory says none; what is not honoured is named, once each."""
    fleet = read(tmp_path, {"hosts": "web1\nweb2 ansible_user=own ansible_private_key_file=/k/own\n"})
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\nremote_user = deploy\nprivate_key_file = keys/id\ninventory = hosts\nforks = 50\n"
        "host_key_checking = False\n[ssh_connection]\nssh_args = -o ProxyJump=gate\npipelining = True\n"
        "[privilege_escalation]\nbecome = True\nbecome_method = sudo\n"
    )
    settings = read_settings(tmp_path, named=False)
    found = settled(fleet, settings).hosts
    assert (found["web1"].user, found["web1"].key_file) == ("deploy", str(tmp_path / "keys/id"))
    assert (found["web2"].user, found["web2"].key_file) == ("own", "/k/own")
    said = [sentence.split("ansible.cfg: ")[1].split(" is not")[0] for sentence in settings.unheard]
    assert said == ["inventory", "ssh_args", "become"]
    assert [s for s in read_settings(tmp_path, named=True).unheard if "inventory is" in s] == []
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\ninventory = ./inventory.yml\n[privilege_escalation]\nbecome = no\n"
        "[ssh_connection]\nssh_args = -C -o ControlMaster=auto -o ControlPersist=60s\n"
    )
    assert read_settings(tmp_path, named=False) == Settings()


def test_what_ansible_says_of_a_host_in_templates(tmp_path: Path) -> None:
    """Its groups, those of all hosts, its short name; the same for every host, whatever a template does to them."""
    fleet = read(tmp_path, {
        "i.yml": "all: {hosts: {lone: }, children: {web: {hosts: {a.example.com: , b: }}, eu: {children: {web: }}, no1: {}}}\n"
    })  # fmt: skip
    template = (
        b"{{ inventory_hostname_short }} {{ group_names }} {{ groups.web + groups['ungrouped'] }} {{ groups.no1 }}"
        b"{% set _ = groups.all.append('x') %} {{ groups.all | length }} {{ 'web' in group_names }}"
    )
    source = [SourceFile("a.conf", template, template=True)]
    hosts = [fleet.hosts[name] for name in ("a.example.com", "lone", "b")]
    found = {name: files["a.conf"][0].decode() for name, files in render_packages(source, hosts).items()}
    assert found == {
        "a.example.com": "a ['eu', 'web'] ['a.example.com', 'b', 'lone'] [] 4 True",
        "lone": "lone ['ungrouped'] ['a.example.com', 'b', 'lone'] [] 4 False",
        "b": "b ['eu', 'web'] ['a.example.com', 'b', 'lone'] [] 4 True",
    }


@pytest.mark.parametrize("name", ["hostvars", "ansible_default_ipv4"])
def test_what_only_ansible_finds_out(tmp_path: Path, name: str) -> None:
    """The hint does not say to write it in the inventory, which would refuse it."""
    fleet = read(tmp_path, {"hosts": "web1\n"})
    with pytest.raises(InputError, match=rf"a.conf.j2:1: '{name}' is undefined") as caught:
        rendered(fleet, f"{{{{ {name}.x }}}}")
    assert "a variable of your own" in caught.value.hint


def test_p07_connection_variables_under_their_older_names(tmp_path: Path) -> None:
    """As honoured as the newer ones."""
    fleet = read(tmp_path, {"hosts": "old1 ansible_ssh_host=10.1.1.1 ansible_ssh_user=admin ansible_ssh_port=2200\n"})
    host = fleet.hosts["old1"]
    assert (host.address, host.user, host.port) == ("10.1.1.1", "admin", 2200)
    assert rendered(fleet, "{{ ansible_host }}", "old1") == "10.1.1.1"


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ("ansible_connection=local", "hosts are reached by ssh only"),
        ("ansible_connection=docker", "hosts are reached by ssh only"),
        ("ansible_become_method=doas", "only sudo is supported"),
        ("ansible_become_user=www", "only root is supported"),
        ("ansible_become=maybe", "yes or no is allowed"),
        ("ansible_ssh_pass=x", "secrets are not read"),
        ("ansible_sudo_pass=x", "secrets are not read"),
        ("ansible_winrm_transport=x", "`ansible_winrm_transport`: this variable of Ansible's is not supported"),
        ("ansible_usr=x", "`ansible_usr`: this variable of Ansible's is not supported"),
        ("ansible_user=a ansible_ssh_user=b", "`ansible_ssh_user` is 'b'; and `ansible_user` is 'a'"),
        ("ansible_ssh_common_args='-o StrictHostKeyChecking=no'", "StrictHostKeyChecking=no` cannot be honoured"),
        ("ansible_ssh_common_args='-o ProxyCommand=\"ssh -W %h:%p b\"'", "ProxyCommand=.* cannot be honoured"),
        ("ansible_ssh_args='-o HostKeyAlias=a~b'", "HostKeyAlias=a~b` cannot be honoured"),
        ("ansible_ssh_extra_args='-F /tmp/x'", "`-F` cannot be honoured"),
        ("ansible_ssh_args='-o UserKnownHostsFile=k'", "UserKnownHostsFile=k` cannot be honoured"),
        ("ansible_ssh_common_args='-o ProxyJump=-oProxyCommand=x'", "cannot be honoured"),
        ("inventory_hostname=x", "Ansible sets this itself"),
    ],
)
def test_p07_what_cannot_be_honoured_is_refused_by_name(tmp_path: Path, pair: str, why: str) -> None:
    """With file and line."""
    with pytest.raises(InputError, match=rf"hosts:2:1: .*{why}"):
        read(tmp_path, {"hosts": f"[edge]\nold1 {pair}\n"})


def test_p07_options_of_ssh(tmp_path: Path) -> None:
    """What ssh itself makes of them, with every jump."""
    key = tmp_path / "key"
    key.write_text("x")
    args = f"-C -o ControlMaster=auto -o ControlPersist=60s -J ops@bastion:2222 -o Port=2200 -i {key} -o User=me"
    host = read(tmp_path, {"hosts": f"old4 ansible_ssh_common_args='{args}'\n"}).hosts["old4"]
    (tmp_path / "config").write_text("")
    target = resolve(host, str(tmp_path / "config"))
    assert (target.user, target.port, target.identities) == ("me", 2200, (str(key),))
    assert [(hop.hostname, hop.user, hop.port) for hop in target.jumps] == [("bastion", "ops", 2222)]


def test_p08_values_of_vars_sections_are_python_literals(tmp_path: Path) -> None:
    """Quotes go, lists are lists; what is no literal is text."""
    text = """\
[edge]
web1 quoted='"deep"' plain='a b' truth=True word=true size=0x1F
[edge:vars]
ciphers="A:B"
ansible_ssh_private_key_file = "~/.ssh/key"
backends=['a', 'b']
nothing=None
octal=010
number = 5   # five
"""
    host = read(tmp_path, {"hosts": text}).hosts["web1"]
    assert host.key_file == "~/.ssh/key"
    assert dict(host.vars) == {
        "quoted": "deep",
        "plain": "a b",
        "truth": True,
        "word": "true",
        "size": 31,
        "ciphers": "A:B",
        "ansible_ssh_private_key_file": "~/.ssh/key",
        "backends": ["a", "b"],
        "nothing": None,
        "octal": "010",
        "number": 5,
    }


def test_p09_a_number_sign_in_quotes_is_text(tmp_path: Path) -> None:
    """Comments are cut after quotes are read, not before."""
    text = '[edge]\nweb1 note="x # y" tag=a#b # why\n[edge:vars]\ngreeting="Hello # there"\nplain=a # b\n'
    host = read(tmp_path, {"hosts": text}).hosts["web1"]
    assert host.vars == {"note": "x # y", "tag": "a", "greeting": "Hello # there", "plain": "a # b"}


@pytest.mark.parametrize(
    ("written", "become"), [("yes", True), ("1", True), ("True", True), ("no", False), ("off", False)]
)
def test_p10_become_in_any_spelling(tmp_path: Path, written: str, become: bool) -> None:
    """In YAML and in INI."""
    assert read(tmp_path, {"hosts": f"web1 ansible_become={written}\n"}).hosts["web1"].become is become
    text = f"all: {{hosts: {{web1: {{ansible_become: {written}}}}}}}\n"
    assert read(tmp_path, {"i.yml": text}).hosts["web1"].become is become


def test_p11_ini_is_known_by_its_look(tmp_path: Path) -> None:
    """A file without an ending is whichever of both it is; one of another ending is INI."""
    assert list(read(tmp_path, {"production": "[edge]\nweb1 a=1\n"}).hosts) == ["web1"]
    assert list(read(tmp_path, {"site": "edge:\n  hosts:\n    web2:\n"}).hosts) == ["web2"]
    assert list(read(tmp_path, {"plain": "web3\n"}).hosts) == ["web3"]
    assert list(read(tmp_path, {"hosts.prod": "[edge]\nweb4\n"}).hosts) == ["web4"]
    with pytest.raises(InputError, match="broken:3:1: not YAML"):
        read(tmp_path, {"broken": "edge:\n  hosts: {\n"})


def test_p12_an_empty_group_is_empty(tmp_path: Path) -> None:
    """A header is enough; so is a group of the top level, or one that says that it has no hosts."""
    fleet = read(tmp_path, {"hosts": "[edge:children]\neu\nus\n[eu]\n[us]\nus1\n"})
    assert (fleet.groups["eu"], fleet.groups["edge"]) == ((), ("us1",))
    text = "edge: {children: {eu: , us: , asia: {hosts: }}}\neu:\nus: {hosts: us1}\n"
    fleet = read(tmp_path, {"i.yml": text})
    assert (fleet.groups["eu"], fleet.groups["asia"], fleet.groups["edge"]) == ((), (), ("us1",))
    with pytest.raises(InputError, match="group ue is mentioned here and has no hosts"):
        read(tmp_path, {"i.yml": "edge: {children: {ue: {}}}\neu: {hosts: us1}\n"})


def test_precedence_goes_by_depth_then_priority_then_name(tmp_path: Path) -> None:
    """The deepest path to a group counts, in whatever order the file tells them."""
    text = "[b]\nh\n[a]\nh\n[deep:children]\nb\n[top:children]\ndeep\n"
    groups = {name: f"[{name}:vars]\nx={name}\n" for name in ("a", "b", "deep", "top", "all")}
    assert read(tmp_path, {"1/hosts": text + "".join(groups.values())}).hosts["h"].vars["x"] == "b"
    flat = "[b]\nh\n[a]\nh\n" + groups["a"] + groups["b"]
    assert read(tmp_path, {"2/hosts": flat}).hosts["h"].vars["x"] == "b"
    first = read(tmp_path, {"3/hosts": flat + "[a:vars]\nansible_group_priority=5\n"}).hosts["h"]
    assert first.vars == {"x": "a"}


def test_several_sources_and_folders(tmp_path: Path) -> None:
    """Later ones win; hidden files, backups and variable folders are passed over as by Ansible."""
    files = {
        "a/10-hosts": "[edge]\nweb[1:2] x=1\n",
        "a/20.yml": "edge: {hosts: {web2: {x: two}, web3: }}\n",
        "a/.hidden": "[",
        "a/old.bak": "[",
        "a/group_vars/edge.yml": "y: a\n",
        "b/hosts": "[edge]\nweb1 x=3\n",
        "b/group_vars/edge.yml": "y: b\n",
    }
    fleet = read(tmp_path, files, "a", "b")
    assert {name: host.vars["x"] for name, host in fleet.hosts.items() if "x" in host.vars} == {
        "web1": 3,
        "web2": "two",
    }
    assert fleet.hosts["web3"].vars["y"] == "b"
    with pytest.raises(InputError, match="does not read it below the folder"):
        read(tmp_path, {"c/d/hosts": "x\n", "c/d/group_vars/all.yml": "a: 1\n"}, "c")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("aws_ec2.yml", "plugin: amazon.aws.aws_ec2\n", "aws_ec2.yml:1:1: inventory plugins are not run"),
        ("dyn.py", "#!/usr/bin/env python3\n", "dyn.py:1:1: dynamic inventory scripts are not run"),
        ("i.toml", "[edge.hosts]\nweb1 = {}\n", "TOML"),
        ("i.json", '{"_meta": {"hostvars": {}}, "all": {"children": ["a"]}}', "unknown key `hostvars`"),
        ("hosts", "[edge\nweb1\n", "is not a host name"),
        ("hosts", "[edge:var]\nweb1\n", r"hosts:1:1: unknown section \[edge:var\]"),
        ("hosts", "[edge:vars]\na=1\n", "group edge is mentioned here and has no section"),
        ("hosts", "web[01:3]\n", "are of one length"),
        ("hosts", "web[1:3:0]\n", "a range goes up"),
        ("hosts", "web1:22\nweb1:23\n", "hosts:2:1: host web1: port 23 here"),
        ("hosts", "web1 a={1:2}\n", "keys that are not text"),
        ("hosts", "[web1]\nweb1\n", "web1 is a group here and a host, too"),
        ("hosts", "[a]\nx\n[b:children]\nall\n[b]\n", "cannot be below b"),
        ("i.yml", "edge: {hosts: {web1: {1: x}}}\n", "`1` is no text but of type int"),
        ("i.yml", "edge: {hosts: {web1: {x: !unsafe y}}}\n", "!unsafe is not allowed"),
        ("i.yml", "edge: {hosts: {web1: {x: 2024-99-99}}}\n", "cannot be read as timestamp"),
        ("web1,", "", "a list of hosts is none"),
    ],
)
def test_refused_by_name(tmp_path: Path, name: str, text: str, why: str) -> None:
    """Never read by half."""
    files = {name: text} if "," not in name else {"x": "x\n"}
    with pytest.raises(InputError, match=why):
        read(tmp_path, files, name)


def test_ports_in_host_lines(tmp_path: Path) -> None:
    """Of names, of ranges and of addresses in brackets."""
    fleet = read(tmp_path, {"hosts": "web[1:2].x:2222 a=1\n[::1]:22\nfe80::1\n"})
    assert {name: host.port for name, host in fleet.hosts.items()} == {
        "web1.x": 2222,
        "web2.x": 2222,
        "::1": 22,
        "fe80::1": 0,
    }


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("web[0]", "w3"),
        ("web[-1]", "w2"),
        ("web[0:1]", "w3 w1"),
        ("web[1:]", "w1 w2"),
        ("web[0:-1]", None),
        ("web[:1]", None),
        ("web[3]", None),
        ("web[7:9]", None),
        ("w[12]", None),
        ("w[1-2]", None),
        ("w[12]*", "w1 w2"),
        ("a*", None),
        ("web,db:!w1", None),
        ("*", "w3 w1 w2 d1"),
    ],
)
def test_positions_in_patterns(tmp_path: Path, pattern: str, hosts: str | None) -> None:
    """Counted in the group's own order; what Ansible would take for something else, or for nothing, is refused."""
    fleet = read(tmp_path, {"hosts": "[web]\nw3\nw1\nw2\n[db]\nd1\n"})
    if hosts is None:
        with pytest.raises(UsageError):
            select(fleet, pattern)
    else:
        assert sorted(select(fleet, pattern)) == sorted(hosts.split())


@pytest.mark.parametrize(
    "pattern",
    ["~(a|a)*b", "~((a+)x?)+b", "~" + "a*" * 9 + "b", "~" + "(a|a)*" * 12 + "c", "~" + "a?" * 60 + "a" * 60 + "b"],
)
@pytest.mark.parametrize("hosts", [1, 2000])
def test_no_expression_takes_for_ever(tmp_path: Path, pattern: str, hosts: int) -> None:
    """With each of these Python's own `re` works for years on one name; a playbook's `hosts:` is input."""
    fleet = read(tmp_path, {"hosts": "[web]\n" + "".join(f"{'a' * 60}{number}\n" for number in range(hosts))})
    with pytest.raises(UsageError, match=r"takes too long to match|no host or group"):
        select(fleet, pattern)


def test_no_reader_of_the_way_back_imports_a_library_of_schemas() -> None:
    """The inventory is read before a rollback."""
    words = "import sys, deployer.adapters.reading.inventory; print('pydantic' in sys.modules, 'jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.split() == ["False", "False"]
