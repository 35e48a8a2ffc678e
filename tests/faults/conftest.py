"""Makes known what the other tests make up: studies, plans, archives."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("study", "data", "report"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
