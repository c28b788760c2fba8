"""The example playbooks of the project itself, for a repository that begins with nothing."""

from __future__ import annotations

import re
from pathlib import Path

import deployer
from deployer.model.errors import DeployError

HOME = Path(deployer.__file__).parent
# inventory.yml, playbooks/, health_checks/: in the checkout, or in the wheel, which carries them
EXAMPLES = HOME / "examples" if (HOME / "examples").is_dir() else HOME.parent


def example_files(service: str, group: str) -> dict[str, tuple[bytes, bool]]:
    """`playbooks/SERVICE/` for a group, and its health check. Raises DeployError where they are not there."""
    playbook, check = EXAMPLES / "playbooks" / service, EXAMPLES / "health_checks/storefront.yml"
    if not (playbook / "playbook.yml").is_file() or not check.is_file():
        raise DeployError(
            f"no example of {service} is installed here",
            hint="begin with what a host has: deploy init --from HOST",
            consequence="nothing was written",
        )
    paths = [path for path in sorted(playbook.rglob("*")) if path.is_file()]
    files = {f"playbooks/{service}/{path.relative_to(playbook)}": (path.read_bytes(), False) for path in paths}
    top = f"playbooks/{service}/playbook.yml"
    text = re.sub(r"(?m)^hosts:.*$", f"hosts: {group}", files[top][0].decode())
    files[top] = (re.sub(r"(?m)^health_checks:.*$", f"health_checks: [{service}]", text).encode(), False)
    files[f"health_checks/{service}.yml"] = (check.read_bytes(), False)
    return files
