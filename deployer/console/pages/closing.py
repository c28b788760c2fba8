"""The closing sentence: one that a tired person can read."""

from __future__ import annotations

from deployer.console.errors import fitted
from deployer.console.pages.page import Page
from deployer.console.say import one_line
from deployer.model.errors import EXIT_INTERRUPTED, EXIT_LOCKED, DeployError
from deployer.model.outcome import Outcome, Result
from deployer.model.release import ReleaseId
from deployer.model.verdict import first_clause

RESULTS: dict[int, Result] = {EXIT_LOCKED: "locked", EXIT_INTERRUPTED: "interrupted"}


def refusal(error: DeployError) -> Outcome:
    """How a command ended that this error ended."""
    return Outcome(RESULTS.get(error.exit_code, "refused"), error=error.message, hint=error.hint)


def page(outcome: Outcome, columns: int) -> Page:
    """columns: of the terminal; 0 for anything else."""
    return Page(fitted(closing(outcome), columns), outcome.to_json(), outcome.exit_code)


def closing(outcome: Outcome) -> str:
    """What happened, on which hosts, why; then what to do, if anything."""
    lines = [_sentence(outcome)]
    if outcome.error and outcome.result not in ("deployed", "unchanged"):
        lines.append(f"because: {one_line(_brief(outcome, outcome.error))}")
    elif outcome.verdict and outcome.result == "deployed" and outcome.verdict.because:
        lines.append(one_line(_brief(outcome, outcome.verdict.because)))
    if outcome.hint:
        lines.append(f"hint: {one_line(outcome.hint)}")
    return "\n".join(lines)


def _brief(outcome: Outcome, text: str) -> str:
    """The verdict in it, which was told when it was given, by its first clause; all else of it stays."""
    whole = outcome.verdict.because if outcome.verdict else ""
    first = first_clause(whole)
    if not outcome.deploy or first == whole:
        return text
    return text.replace(whole, f"{first} (deploy show {outcome.deploy} has all)")


def _sentence(outcome: Outcome) -> str:
    release = "as it was found" if ReleaseId(outcome.release).adopted else outcome.release
    what = f"{outcome.playbook} {release}".strip()
    took = f" in {outcome.seconds['total']:.1f} s" if "total" in outcome.seconds else ""
    confirmed = _names(outcome, "confirmed")
    if outcome.result == "deployed":
        return (
            f"done: {what} is verified on {_count(confirmed)} of {outcome.environment}{took} (deploy {outcome.deploy})"
        )
    if outcome.result == "unadopted":
        given_back = _count(_names(outcome, "unadopted"))
        return f"done: {what} is no longer under deployer on {given_back} of {outcome.environment}; the files stay"
    if outcome.result == "unchanged" and not release:  # adopt, unadopt, abort and confirm of hosts that differ
        return f"nothing to do: {what} in {outcome.environment} is as it was" if what else "nothing to do"
    if outcome.result == "unchanged":
        return f"nothing to do: {outcome.environment} has {what} already"
    if outcome.result == "reverted":
        touched = _names(outcome, "reverted")
        live = f", undone {outcome.seconds['revert']:.1f} s after that was known" if "revert" in outcome.seconds else ""
        spared = len(_names(outcome, "untouched"))
        rest = f"; {spared} other host(s) never had it" if spared else ""
        return (
            f"reverted: {what} was taken back from {', '.join(touched)}, verified{live}{rest} (deploy {outcome.deploy})"
        )
    if outcome.result == "interrupted":
        touched = _names(outcome, "reverted")
        return (
            f"interrupted: {', '.join(touched)} put back and verified"
            if touched
            else "interrupted: nothing was changed"
        )
    if outcome.result == "stranded":
        bad = [name for name, end in sorted(outcome.hosts.items()) if not end.verified]
        return (
            f"a human is needed: {', '.join(bad) or 'see below'} not verified on one release (deploy {outcome.deploy})"
        )
    return f"{outcome.result}: {what}" if what else outcome.result


def _names(outcome: Outcome, state: str) -> list[str]:
    return [name for name, end in sorted(outcome.hosts.items()) if end.state == state]


def _count(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} hosts"
