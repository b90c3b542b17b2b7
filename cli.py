"""The checkout's entry: `python cli.py ...` is `rs-adapt ...`. The installed command is rs_adapt.commands:main."""

from __future__ import annotations

from rs_adapt.commands import main

if __name__ == "__main__":
    main()
