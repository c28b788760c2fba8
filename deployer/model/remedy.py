"""What to do about a file that a server reads in its own folder and a release cannot have as it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def remedy(file: str, moved: str = "") -> str:
    """file: below playbooks/, a folder with a slash at its end. moved: what to do once it lies elsewhere."""
    other = "on the hosts, move it out of the folder that is deployed and name it where it then lies"
    other += f", {moved}" if moved else ""
    if file.endswith("/"):
        return other
    return f"{other}; or commit playbooks/{file}.j2 with a variable in it that no_log: names, and set group:"


def named_in(text: str, paths: Iterable[str]) -> str:
    """The longest of `paths` that a server's words name, absolute or not; "" for none."""
    found = (p for p in paths if re.search(rf"(?<![\w.@+#-]){re.escape(p)}(?![\w@+#/-]|\.\w)", text))
    return max(found, key=len, default="")
