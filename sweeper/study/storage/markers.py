"""The files that tell where a directory's study is kept. Nothing here imports Optuna."""

from __future__ import annotations

import os
from pathlib import Path

DATABASE, JOURNAL, ELSEWHERE = "study.db", "study.journal", "storage.yaml"
MARKERS = (DATABASE, JOURNAL, ELSEWHERE)


def holds_study(directory: str | Path) -> bool:
    """Whether a study began in a directory."""
    # Not `Path.exists`: of what is no path it makes an error.
    return any(os.path.exists(os.path.join(directory, name)) for name in MARKERS)
