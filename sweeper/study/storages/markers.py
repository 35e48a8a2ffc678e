"""The files that tell where a directory's study is kept. Nothing here imports Optuna."""

from __future__ import annotations

from pathlib import Path

DATABASE, JOURNAL, ELSEWHERE = "study.db", "study.journal", "storage.yaml"
MARKERS = (DATABASE, JOURNAL, ELSEWHERE)


def holds_study(directory: Path) -> bool:
    """Whether a study began in a directory."""
    return any((directory / name).exists() for name in MARKERS)
