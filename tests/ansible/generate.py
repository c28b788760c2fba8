"""Inventories: files by their names, as people write them, INI or YAML, with variable files beside them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field

GROUPS = ["edge", "web", "db", "eu", "us", "production", "staging", "a_b", "x1"]
HOSTS = ["web1", "web[1:3]", "web[01:03]", "db-[a:c].example.com", "n[1:5:2]", "10.0.0.1", "10.0.0.[1:2]", "c2:2222", "c1",
         "h.example.com", "r[1:2]x[a:b]", "q[08:10]", "fe80::1", "localhost", "s[3:1]", "t[1:03]", "[::2]:22"]  # fmt: skip
NAMES = ["tier", "cache_enabled", "origin", "size", "note", "http_port", "items", "x", "deploy_tag"]
SCALARS = [
    "no", "yes", "on", "Off", "y", "n", "true", "True", "FALSE", "~", "null", "Null", "None", "", "0x1F", "010", "0o17",
    "08", "0b11", "1_000", "1e3", "1.0e+3", "1.5", ".5", "-.inf", ".nan", "-17", "+3", "22:22", "1:30.5", "2024-01-01",
    "2001-12-14t21:59:43.10-05:00", "2024-01-01 10:00:00", "'quoted'", '"double"', "'it''s'", '"a # b"', "'# x'", "a#b",
    "plain text", "'5'", '"yes"', "a:b", '"A:B"', "=x", "a=b", "[1, two, yes]", "{k: no}", "[]", "{}", "'1'", "0", "00",
    "1 # c", "text # c", "'x' # c", "ünï", "\\n", '"\\n"', "'\\n'", "b'x'", "...", "(1, 2)", "1+2j", "['a', 'b']",
    '{"k": 1}', "'a' 'b'", "0xZZ", "1__0", "99999999999999999999", "1.", "5 5", "'", '"', "`x`", "@x", "%x", "!x",
]  # fmt: skip
CONNECTION = ["ansible_host: 10.1.1.1", "ansible_port: 2200", "ansible_user: admin", "ansible_ssh_host: 10.1.1.2",
              "ansible_ssh_port: 22", "ansible_ssh_user: op", "ansible_become: yes", "ansible_become: 'no'",
              "ansible_ssh_private_key_file: ~/.ssh/key", "ansible_python_interpreter: /usr/bin/python3",
              "ansible_connection: ssh", "ansible_ssh_common_args: -o ProxyJump=ops@bastion"]  # fmt: skip
PATTERNS = ["all", "*", "web*", "edge", "edge[0]", "web[0:1]", "edge[1:]", "db[-1]", "edge:!web1", "edge,db", "web:&db", "~web[12]",
            "edge[0:-1]", "e*", "a*", "web0[12]*", "web1", "!edge", "&web", "ungrouped", "all[0]", "us[7]", "n?"]  # fmt: skip


@dataclass
class Made:
    """files: by path below the root; sources: what -i is given."""

    files: dict[str, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)


@dataclass
class Model:
    """Before it is written down. variables: (name, how it is written)."""

    hosts: dict[str, list[tuple[str, list[tuple[str, str]]]]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def made(seed: int) -> Made:
    """One inventory of a seed."""
    chance = random.Random(seed)
    found = Made(patterns=chance.sample(PATTERNS, 4))
    for number in range(chance.choice([1, 1, 1, 1, 2])):
        one(chance, found, number)
    if chance.random() < 0.3:
        scatter(chance, found, "")
    return found


def one(chance: random.Random, found: Made, number: int) -> None:
    folder = chance.choice(["", "", "inventories/", f"env{number}/"])
    model = modelled(chance, odd=chance.random() < 0.15)
    kind = chance.choice(["ini", "yaml", "yaml", "json"])
    name = {
        "ini": ["hosts", "production.ini", "prod"],
        "yaml": ["inventory.yml", "hosts.yaml", "site"],
        "json": ["i.json"],
    }
    path = f"{folder}{number or ''}{chance.choice(name[kind])}"
    found.files[path] = {"ini": ini, "yaml": yaml, "json": as_json}[kind](model, chance)
    whole = folder.startswith("env") and chance.random() < 0.6
    found.sources.append(folder.rstrip("/") if whole else path)
    if chance.random() < 0.5:
        scatter(chance, found, folder)


def modelled(chance: random.Random, odd: bool) -> Model:
    model = Model()
    names = chance.sample(GROUPS, chance.randint(1, 5)) + chance.choice([[], ["all"], ["ungrouped"]])
    for at, name in enumerate(names):
        hosts = chance.sample(HOSTS if odd else HOSTS[:14], chance.randint(0, 3))
        model.hosts[name] = [(h, variables(chance, odd, 0.4)) for h in hosts]
        below = [n for n in names[at + 1 :] if n in GROUPS and chance.random() < 0.3]
        model.children[name] = below if name not in ("all", "ungrouped") else []
        model.variables[name] = variables(chance, odd, 0.5)
        if chance.random() < 0.15:
            model.variables[name].append(("ansible_group_priority", str(chance.randint(-2, 20))))
    return model


def variables(chance: random.Random, odd: bool, share: float) -> list[tuple[str, str]]:
    if chance.random() > share:
        return []
    chosen = SCALARS if odd else SCALARS[:-12]
    found = [(n, chance.choice(chosen)) for n in chance.sample(NAMES, chance.randint(1, 3)) if n != "http_port" or odd]
    if chance.random() < 0.3:
        name, _, value = chance.choice(CONNECTION).partition(": ")
        found.append((name, value))
    return found


def quoted(value: str) -> str:
    """For a word of an INI host line."""
    return value if not set(value) & set(" #'\"\\") else f"'{value}'" if "'" not in value else f'"{value}"'


def ini(model: Model, chance: random.Random) -> str:
    lines = ["; a comment", ""] if chance.random() < 0.3 else []
    for name, hosts in model.hosts.items():
        if hosts or chance.random() < 0.9:
            lines.append(f"[{name}]" + chance.choice(["", "  # header"]))
        for host, own in hosts:
            pairs = [f"{key}={quoted(value) if chance.random() < 0.9 else value}" for key, value in own]
            lines.append(chance.choice(["", "", "  "]) + " ".join([host, *pairs]) + chance.choice(["", "", "  # why"]))
        if model.children[name]:
            lines += [f"[{name}:children]", *model.children[name]]
        if model.variables[name]:
            lines.append(f"[{name}:vars]")
            lines += [chance.choice([f"{k}={v}", f"{k} = {v}"]) for k, v in model.variables[name]]
    return "\n".join(lines) + "\n"


def block(own: list[tuple[str, str]], indent: str) -> list[str]:
    return [f"{indent}{key}: {value}" for key, value in own]


def yaml(model: Model, chance: random.Random) -> str:
    below_all = chance.random() < 0.5
    lines = ["---"] if chance.random() < 0.3 else []
    pad = ""
    if below_all:
        lines += ["all:", "  children:"]
        pad = "    "
    for name, hosts in model.hosts.items():
        if below_all and name == "all":
            continue
        lines.append(f"{pad}{name}:")
        if hosts:
            lines.append(f"{pad}  hosts:")
        for host, own in hosts:
            key = f'"{host}"' if set("[]:") & set(host) else host
            lines.append(f"{pad}    {key}:")
            lines += block(own, f"{pad}      ")
        if model.children[name]:
            lines.append(f"{pad}  children:")
            lines += [f"{pad}    {child}:" for child in model.children[name]]
        if model.variables[name]:
            lines.append(f"{pad}  vars:")
            lines += block(model.variables[name], f"{pad}    ")
    return "\n".join(lines) + "\n"


def as_json(model: Model, chance: random.Random) -> str:
    values = [True, None, 5, 1.5, "no", "0x1F", [1, "yes"], {"k": False}, 1e3, "2024-01-01", "a/b", "\u00fc"]
    if chance.random() < 0.1:
        values.append("\U0001f600")  # JSON may write two escapes for it, which YAML does not know
    found = {}
    for name, hosts in model.hosts.items():
        found[name] = {
            "hosts": {host: {key: chance.choice(values) for key, _ in own if key in NAMES[:5]} for host, own in hosts},
            "children": dict.fromkeys(model.children[name]),
            "vars": {key: chance.choice(values) for key, _ in model.variables[name] if key in NAMES[:5]},
        }
    return json.dumps(found, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 2]))


def scatter(chance: random.Random, found: Made, folder: str) -> None:
    """group_vars and host_vars."""
    for _ in range(chance.randint(1, 4)):
        kind = chance.choice(["group_vars", "host_vars"])
        who = chance.choice(
            [*GROUPS[:5], "all", "ungrouped"]
            if kind == "group_vars"
            else ["web1", "web2", "n1", "10.0.0.1", "localhost"]
        )
        where = chance.choice(
            [f"{who}.yml", f"{who}.yaml", who, f"{who}/main.yml", f"{who}/a/b.yml", f"{who}/.x.yml", f"{who}/n.txt"]
        )
        if any(
            path.startswith(f"{folder}{kind}/{where}/") or f"{folder}{kind}/{where}".startswith(f"{path}/")
            for path in found.files
        ):
            continue
        text = "\n".join(block(variables(chance, False, 1.0), "")) + "\n"
        found.files[f"{folder}{kind}/{where}"] = text if chance.random() < 0.95 else "$ANSIBLE_VAULT;1.1;AES256\n6162\n"
