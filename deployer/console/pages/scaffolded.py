"""What `deploy init` says at its end: what it wrote, what it left out, what differs, what to do and to type next."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from deployer.console.pages.page import Page
from deployer.engine.scaffold import Example, Found
from deployer.model.findings import Differences

SHOWN = 20  # lines of one kind
WIDTH = 80


def page(folder: str, written: Sequence[str], what: Found | Example, steps: Sequence[str]) -> Page:
    """written: below `folder`. steps: what to type next."""
    found = None if isinstance(what, Example) else what
    lines = [example_line(what)] if isinstance(what, Example) else found_lines(what)
    lines = [*filter(None, lines), "", *written_lines(folder, written)]
    lines += [*left_out(found), *differences(found.differences, found.source), *todo(found)] if found else []
    lines += section("to do:", [bullet("", text) for text in asked(what)]) if isinstance(what, Example) else []
    lines += ["", "next:", *(f"  {step}" for step in steps)]
    return Page("\n".join(lines), to_json(folder, written, what, steps))


def example_line(what: Example) -> str:
    """Whose hosts get it."""
    if not what.given:
        return f"{what.service}: an example; hosts and origin in inventory.yml are to be yours"
    text = f"{what.service}: an example, for the group {what.group} of {what.given}"
    if what.group == what.service:
        return text
    where = f"playbooks/{what.service}/playbook.yml"
    text += f"; none is called {what.service}: see that `hosts:` in {where} names the right one"
    return bullet("", text).strip()


def asked(what: Example) -> list[str]:
    """What the templates need of an inventory that does not say it."""
    return [
        f"{name}: the one in {place} is an example; let it be yours"
        if place
        else f"{name}: define it in {what.given} for {what.group}; the example needs it, and no plan is possible before"
        for name, place in what.asked.items()
    ]


def found_lines(found: Found) -> list[str]:
    """What was recognised, and for whom."""
    return [
        f"{found.source} runs {found.service}: {found.dest}, {files(len(found.taken.files))}",
        f"the playbook is for the group {found.group}" if found.group != found.service else "",
    ]


def written_lines(folder: str, written: Sequence[str]) -> list[str]:
    """Folders with how many files lie in them; single files by name."""
    if not written:
        return ["nothing to write: all of it is there already"]
    tops = Counter("/".join(path.split("/")[:3]) if path.startswith("playbooks/") else path for path in written)
    shown = [f"  {top}/  {files(n)}" if top.endswith("/files") else f"  {top}" for top, n in sorted(tops.items())]
    return [f"written to {folder}/", *shown]


def files(many: int) -> str:
    return f"{many} file{'s' * (many != 1)}"


def left_out(found: Found) -> list[str]:
    """Files, and secrets in lines."""
    lines = [bullet(path, why) for path, why in sorted(found.taken.left_out.items())]
    lines += [
        bullet(f"{path}:{one.line}", f"a secret; {one.name} stands there instead: define it in the inventory")
        for path, hidden in sorted(found.taken.hidden.items())
        for one in hidden
    ]
    return section("left out, and so not on a host after a push:", lines)


def differences(found: Differences, source: str) -> list[str]:
    """By file."""
    lines = [bullet(path, f"is another on {names(hosts)}") for path, hosts in found.changed.items()]
    lines += [bullet(path, f"only on {names(hosts)}") for path, hosts in found.only.items()]
    lines += [bullet(path, f"not on {names(hosts)}") for path, hosts in found.missing.items()]
    lines += [bullet(host, f"was not compared: {why}") for host, why in found.unseen.items()]
    return section(f"other hosts differ from {source}; a push makes them alike:", lines)


def todo(found: Found) -> list[str]:
    lines = [bullet("", text) for text in found.todo]
    if found.watched.lacking:
        lines.append(bullet("", f"visitors are not seen yet, only probes: {found.watched.lacking}"))
    elif found.watched.note:
        lines.append(bullet("", found.watched.note))
    page = found.page
    if not 200 <= page.status < 400:
        what = f"answers {page.status}" if page.status else f"does not answer ({page.why})"
        where = f"health_checks/{found.service}.yml"
        lines.append(bullet("", f"/ {what} on {found.source}: name a page that visitors ask for in {where}"))
    return section("to do:", lines)


def names(hosts: Iterable[str]) -> str:
    """A few by name."""
    every = list(hosts)
    return ", ".join(every[:5]) + (f" and {len(every) - 5} more" if len(every) > 5 else "")


def bullet(what: str, why: str) -> str:
    """One entry, broken between words."""
    text = f"{what}  {why}" if what else why
    broken = textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False, subsequent_indent="    ")
    return "\n".join(f"  {line}" for line in broken)


def section(head: str, lines: Sequence[str]) -> list[str]:
    """Nothing where there is nothing."""
    more = [f"  and {len(lines) - SHOWN} more (--json has all)"] if len(lines) > SHOWN else []
    return ["", head, *lines[:SHOWN], *more] if lines else []


def to_json(folder: str, written: Sequence[str], what: Found | Example, steps: Sequence[str]) -> Mapping[str, object]:
    """Every key, whatever was found."""
    service = what.service
    body: dict[str, object] = {"result": "written" if written else "unchanged", "folder": folder, "service": service}
    body |= {"written": list(written), "next": list(steps), "from": "", "dest": "", "hosts": "", "left_out": {}}
    body |= {
        "secrets": [],
        "changed": {},
        "only": {},
        "missing": {},
        "unseen": {},
        "todo": [],
        "traffic": "",
        "page": 0,
    }
    if isinstance(what, Example):
        body |= {"hosts": what.group, "todo": asked(what)}
    else:
        found = what
        apart, seen = found.differences, found.watched
        secrets = [
            {"file": path, "line": one.line, "variable": one.name}
            for path, hidden in sorted(found.taken.hidden.items())
            for one in hidden
        ]
        body |= {"from": found.source, "dest": found.dest, "hosts": found.group, "left_out": found.taken.left_out}
        body |= {"secrets": secrets, "changed": dict(apart.changed), "only": dict(apart.only)}
        body |= {"missing": dict(apart.missing), "unseen": dict(apart.unseen), "page": found.page.status}
        body |= {"todo": [*found.todo, *filter(None, [seen.lacking])], "traffic": "" if seen.lacking else seen.path}
    return body
