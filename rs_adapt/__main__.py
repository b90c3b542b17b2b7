"""`python -m rs_adapt`: the same as the command `rs-adapt`."""

from __future__ import annotations

from rs_adapt.commands import main

if __name__ == "__main__":
    main()
