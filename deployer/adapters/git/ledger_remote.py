"""Which remote holds the ledger."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from deployer.adapters.git.refusals import reason
from deployer.adapters.git.repository import GitFailed
from deployer.model.errors import LedgerUnavailable


def ask_remote(git: Callable[..., str]) -> str:
    """`remote_of` the repository that `git` speaks of. Raises LedgerUnavailable."""

    try:
        names = git("remote").split("\n")
    except GitFailed as error:
        raise LedgerUnavailable(f"the ledger cannot be reached: {reason(error)}") from None
    return remote_of(names, os.environ.get("DEPLOY_LEDGER_REMOTE", ""))


def remote_of(remotes: Sequence[str], wanted: str) -> str:
    """`wanted` (DEPLOY_LEDGER_REMOTE), else origin, else the only one; "" where there is none at all: the local
    repository serves. Raises LedgerUnavailable: one that is not found, or several, never pass for none, or two
    checkouts would each have a ledger and a lock of their own."""
    names = [name for name in remotes if name]
    if wanted and wanted not in names:
        raise LedgerUnavailable(
            f"the ledger cannot be reached: there is no remote {wanted!r} (DEPLOY_LEDGER_REMOTE)",
            hint=f"its remotes are: {', '.join(names) or 'none'}",
        )
    if not wanted and len(names) > 1 and "origin" not in names:
        raise LedgerUnavailable(
            f"the ledger cannot be reached: none of the remotes {', '.join(names)} is called origin",
            hint=f"say which one holds it: DEPLOY_LEDGER_REMOTE={names[0]}",
        )
    return wanted or ("origin" if "origin" in names else "".join(names))


def branches(environment: str) -> tuple[str, str]:
    """What a server must let whoever deploys push to."""
    return f"deployments/{environment}", f"deployments-alive/{environment}/*"
