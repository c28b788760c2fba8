"""From a revision to a release that may be deployed: signed where that is asked for, rendered within limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.adapters.local.rendering import render_packages
from deployer.model.errors import DeployError, InputError
from deployer.model.release import ReleaseId
from deployer.model.remedy import remedy

if TYPE_CHECKING:
    from deployer.adapters.git.releases import Commit
    from deployer.adapters.git.signatures import Rule, Signer
    from deployer.model.plan import Plan
    from deployer.model.release import Package, Release
    from deployer.wiring.context import Context


def release_of(context: Context, revision: str) -> Release:
    """The release at `revision` for the hosts of `context`; where signatures are asked for, its author is the signer.
    The revision is resolved once: what is signed is what is read. Raises InputError."""
    commit = context.repository.resolve(revision)
    signer = signer_of(context, commit)
    release = context.repository.release(commit, context.playbook.name, context.hosts, render_packages)
    return replace(release, author=f"{signer.principal} ({signer.key})") if signer else release


def signer_of(context: Context, commit: Commit) -> Signer | None:
    """Who signed `commit`; None where nobody asks. Raises InputError when it is not signed as it must be."""
    rule = signing_rule(context)
    if rule is None:
        return None
    from deployer.adapters.git.signatures import verify

    return verify(context.repository.repo, commit.sha, rule)


def refuse_lacking(context: Context, release: Release) -> None:
    """Raise one InputError that names all that the playbook needs and the release has not: on a host it would be gone
    with the next activation, and many a server notices only when it is asked for it."""
    paths = {path for package in release.packages.values() for path in package.files}
    lacks = [n for n in context.playbook.needs if not any(p == n or (n[-1] == "/" and p.startswith(n)) for p in paths)]
    if lacks:
        name = context.playbook.name
        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        raise InputError(
            f"playbooks/{name}/playbook.yml: needs {', '.join(lacks[:3])}{more}: not in release {release.id}",
            hint=remedy(f"{name}/files/{lacks[0]}", "and take it off needs"),
        )


def packages_of(context: Context, wanted: Mapping[str, str]) -> dict[str, Package]:
    """Host -> what lands there, for hosts that lack the release they are to get (wanted: host -> release): from git,
    where that can be read and gives the very same release. Each release is read once, for all of its hosts."""
    found: dict[str, Package] = {}
    for release in sorted(set(wanted.values())):
        try:
            read = release_of(context, ReleaseId(release).commit)
        except (DeployError, OSError):  # the hosts that have theirs go on
            continue
        if read.id == release:
            found |= {name: read.packages[name] for name in wanted if wanted[name] == release}
    return found


def diff(context: Context, found: Plan) -> str:
    """Line by line where both sides are in git; the previous release is found by the commit in its name."""
    from deployer.adapters.git.releases import unified_diff

    previous = ReleaseId(found.previous)
    if not previous or previous.adopted:
        return ""
    repository, name = context.repository, found.playbook
    try:
        before = repository.sources(repository.resolve(previous.commit).sha, name)
        return unified_diff(before, repository.sources(found.revision, name))
    except DeployError:
        return ""


def signing_rule(context: Context) -> Rule | None:
    """What the playbook and the inventory ask for: the environment's word is added to the playbook's, never taken from
    it."""
    book = context.playbook
    asked = [host.vars.get("deploy_require_signed", False) for host in context.hosts]
    bad = [value for value in asked if not isinstance(value, bool)]
    if bad:
        raise InputError(f"`deploy_require_signed` is {bad[0]!r}; true or false is allowed")
    if not book.require_signed and not any(asked):
        return None
    files = words(host.vars.get("deploy_allowed_signers", "") for host in context.hosts) or words(
        [book.allowed_signers]
    )
    if len(files) != 1:
        found = f"there are several: {', '.join(files)}" if files else "none is named"
        raise InputError(
            f"cannot verify signatures: one allowed_signers file is needed, {found}",
            hint="allowed_signers: FILE in the playbook, or deploy_allowed_signers in the inventory",
        )
    from deployer.adapters.git.signatures import Rule

    only = words(host.vars.get("deploy_signed_by", ()) for host in context.hosts)
    return Rule(context.root / Path(files[0]).expanduser(), tuple(both(only, list(book.signed_by))))


def words(values: Iterable[object]) -> list[str]:
    """Texts and lists of texts as one list, each once."""
    flat = [one for value in values for one in (value if isinstance(value, list | tuple) else [value])]
    return list(dict.fromkeys(str(one) for one in flat if one))


def both(some: list[str], others: list[str]) -> list[str]:
    """The principals that both lists allow; an empty list allows any. Raises InputError where nobody is left."""
    if not some or not others:
        return some or others
    common = [one for one in some if one in others]
    if not common:
        raise InputError("signed_by of the playbook and deploy_signed_by of the inventory have no principal in common")
    return common
