"""`python -m rs_adapt`: the same as the command `rs-adapt`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Python searches the current folder first here, in which anybody's `shlex.py` may lie; the package itself may, too.
    here, package = os.getcwd(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", here) and here != package:
        del sys.path[0]
    from rs_adapt.commands import main

    main()
