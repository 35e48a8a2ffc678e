"""Where the tests' trials come from, and the console that they write to."""

from __future__ import annotations

import os

from rich.console import Console

from sweeper.two_tower.tracking.tracker import Origin

QUIET = Console(file=open(os.devnull, "w"))  # noqa: SIM115
ORIGIN = Origin("towers", 7)
