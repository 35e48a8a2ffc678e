"""What a trial leaves on disk: `trial.json`, `history.csv` and `curves.png`.

This file alone knows their names and forms. Each appears whole or not at all:
written beside its place, flushed to the disk, then renamed.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import os
import platform
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from sweeper.errors import OutputError

FORMAT_VERSION = 1
TRIAL, HISTORY, CURVES, TRACEBACK = "trial.json", "history.csv", "curves.png", "traceback.txt"

VERSIONED_PACKAGES = (
    "tensorflow", "tf-keras", "tensorflow-recommenders", "tensorflow-datasets",
    "hydra-core", "omegaconf", "numpy", "sweeper",
)  # fmt: skip

Metrics = dict[str, float]


@dataclass
class TrialRecord:
    """Everything that is known of one trial.

    Attributes:
      state: running, completed, interrupted or failed.
      reason: why it failed or was cut short.
      config: the resolved configuration.
      metrics: by the rows scored ("validation", "test"), then by metric.
      baselines: by baseline, then as `metrics`.
      kept_epoch: the epoch whose weights the metrics belong to.
      history: one entry an evaluation, the rows of `history.csv`.
      seconds: by stage.
    """

    config: dict[str, Any]
    state: str = "running"
    reason: str | None = None
    started: str = ""
    command: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    num_parameters: int | None = None
    metrics: dict[str, Metrics] = field(default_factory=dict)
    baselines: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    kept_epoch: int | None = None
    stopped_early: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    format_version: int = FORMAT_VERSION
    history: list[dict[str, float]] = field(default_factory=list)

    def set_environment(self, threads: int) -> None:
        """Notes the machine, the versions and the commit that the trial runs with."""
        self.versions = {"python": platform.python_version()}
        for package in VERSIONED_PACKAGES:
            try:
                self.versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        self.machine = {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": threads,
        }
        self.git_commit = _git_commit()


def create(directory: Path, record: TrialRecord) -> None:
    """Writes a new trial's first record.

    Raises:
      OutputError: the directory holds a trial already, or can't be written.
    """
    if (directory / TRIAL).exists():
        raise OutputError(
            f"{directory}: already holds a trial ({TRIAL}); give another hydra.run.dir, or move "
            "it away: no result is written over"
        )
    write(directory, record)


def write(directory: Path, record: TrialRecord) -> None:
    """Writes `trial.json` and, where there is a history, `history.csv`.

    Raises:
      OutputError: the directory can't be written.
    """
    content = dataclasses.asdict(record)
    history = content.pop("history")
    if history:
        table = io.StringIO()
        # A run that failed in the middle may have longer rows later on.
        columns = list(dict.fromkeys(key for row in history for key in row))
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        write_whole(directory / HISTORY, table.getvalue().encode())
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(directory / TRIAL, (text + "\n").encode())


def read(directory: Path) -> TrialRecord:
    """Reads a trial back, history included.

    Raises:
      OutputError: there is none, or it is damaged or of another version.
    """
    path = directory / TRIAL
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: no trial can be read from it: {error}") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise OutputError(
            f"{path}: has format version {version}; this sweeper reads {FORMAT_VERSION}"
        )
    history = directory / HISTORY
    rows: list[dict[str, float]] = []
    try:
        if history.exists():
            with history.open(encoding="utf-8", newline="") as file:
                rows = [
                    {key: float(value) for key, value in row.items() if value != ""}
                    for row in csv.DictReader(file)
                ]
    except (OSError, ValueError, TypeError) as error:
        raise OutputError(f"{history}: no history can be read from it: {error}") from error
    try:
        return TrialRecord(**content, history=rows)
    except TypeError as error:
        raise OutputError(f"{path}: isn't a record of this version: {error}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).chmod(0o644)
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(
            f"{path}: can't be written ({error.strerror or error}); give a directory that can be "
            "written and has room, for example hydra.run.dir=/somewhere/else"
        ) from error


@functools.cache
def _git_commit() -> str | None:
    """The commit of the checkout that this package runs from, with "+" if it is changed."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        return (commit + ("+" if git("status", "--porcelain", "-uno") else "")) or None
    except (OSError, subprocess.TimeoutExpired):
        return None
