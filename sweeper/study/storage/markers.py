"""Names the files that mark a study's directory. This module does not import Optuna."""

from __future__ import annotations

import os
from pathlib import Path

DATABASE, JOURNAL, ELSEWHERE = "study.db", "study.journal", "storage.yaml"
MARKERS = (DATABASE, JOURNAL, ELSEWHERE)


def holds_study(directory: str | Path) -> bool:
    """Returns whether a directory holds a study."""
    # `Path.exists` would raise for a text that is not a path.
    return any(os.path.exists(os.path.join(directory, name)) for name in MARKERS)
