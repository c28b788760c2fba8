"""The surroundings of every process that is started here: a program found on an absolute path, and of our environment
only what that kind of process needs. A checkout is input: a folder that a commit can write is never looked in for a
program or a module, and no secret of ours is in the environment of a process that has no use for it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import deployer

# What any program may need: where programs, the user's home and temporary files are, and in which language to speak.
ANY = r"PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LANGUAGE|LC_[A-Z]+|LD_LIBRARY_PATH|XDG_[A-Z]+_(?:HOME|DIRS?)"
NOTHING = r"PATH|LD_LIBRARY_PATH"
# ssh reads the user's configuration, whose `Match exec` and variables are the user's own.
SSH = rf"{ANY}|SSH_[A-Z_]+|DISPLAY|WAYLAND_DISPLAY|TERM|HOSTNAME|KRB5[A-Z_]+"
# git logs in at a remote: by ssh, through a proxy, with a helper of the user's that reads the login of its service.
# Variables that choose another repository, or an author of the ledger's commits, are taken out below.
GIT = (
    rf"{SSH}|GIT_[A-Z0-9_]+|GCM_[A-Z_]+|(?i:https?|all|no|ftp)_(?i:proxy)|SSL_CERT_(?:FILE|DIR)|CURL_CA_BUNDLE"
    r"|GNUPGHOME|GH_[A-Z_]+|GITHUB_[A-Z_]+|GITLAB_[A-Z_]+|CI_[A-Z_]+|AWS_[A-Z0-9_]+|AZURE_[A-Z_]+|CLOUDSDK_[A-Z_]+"
)
OTHER_REPOSITORY = re.compile(
    r"GIT_(?:DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE|PREFIX|CONFIG"
    r"|CONFIG_PARAMETERS|GRAFT_FILE|SHALLOW_FILE|REPLACE_REF_BASE|NO_REPLACE_OBJECTS|IMPLICIT_WORK_TREE|EXTERNAL_DIFF"
    r"|ATTR_SOURCE|INTERNAL_SUPER_PREFIX|CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM|QUARANTINE_PATH"
    r"|(?:LITERAL|GLOB|NOGLOB|ICASE)_PATHSPECS|(?:AUTHOR|COMMITTER)_DATE)"
)
ELSEWHERE = "/"  # the working folder of a process that needs none
# Isolated: neither PYTHON* nor the user's folders nor the working folder are looked in; what we run from comes last.
BOOT = "import sys; sys.path += sys.argv[1:]; from {0} import main; main()"


def program(name: str) -> str | None:
    """The absolute path of a program; None where there is none. Relative parts of PATH are not looked in."""
    return shutil.which(name, path=safe_path())


def safe_path() -> str:
    """PATH without its relative and empty parts, which mean the working folder."""
    parts = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(part for part in parts if os.path.isabs(part))


def environment(kind: str) -> dict[str, str]:
    """Of our environment what a process of that kind (ANY, SSH, GIT) needs."""
    allowed = re.compile(kind)
    kept = {
        name: value
        for name, value in os.environ.items()
        if allowed.fullmatch(name) and not OTHER_REPOSITORY.fullmatch(name)
    }
    return {**kept, "PATH": safe_path()}


def working_folder() -> str:
    """The real path of ours; "" where it is gone."""
    try:
        return os.path.realpath(os.getcwd())
    except OSError:
        return ""


def python(module: str) -> list[str]:
    """The words that run `main` of a module of ours. Everything is imported from where it was imported here, and
    nothing from a working folder, whatever PYTHONPATH says."""
    own = str(Path(deployer.__file__).resolve().parents[1])
    paths = [path for path in sys.path if os.path.isabs(path) and os.path.realpath(path) != working_folder()]
    return [sys.executable, "-I", "-c", BOOT.format(module), *dict.fromkeys([*paths, own])]
