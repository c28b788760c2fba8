"""`deploy`, and `python -m deployer`: that puts the working folder first, which is no place for modules of ours."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point: from here on nothing is imported from the working folder, unless we ourselves were."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [path for path in sys.path if os.path.isabs(path) and path not in (own, working_folder())] + [own]
    from deployer.cli import main as run

    run()


def working_folder() -> str:
    """ "" where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
