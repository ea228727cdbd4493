"""``python -m nspd`` is the command ``nspd``."""

from __future__ import annotations

from nspd.cli.nspd import main

main(prog_name="nspd")
