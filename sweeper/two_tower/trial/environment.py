"""Records what a trial runs with: the machine, the versions, the commit."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from sweeper.common.runtime import gpu_names
from sweeper.two_tower.record import TrialRecord

VERSIONED_PACKAGES = (
    "tensorflow", "tf-keras", "tensorflow-recommenders", "tensorflow-datasets",
    "hydra-core", "omegaconf", "numpy", "sweeper",
)  # fmt: skip


def note_environment(record: TrialRecord, threads: int) -> None:
    """Records the machine, the versions and the commit that the trial runs with."""
    record.versions = dict(_versions())
    record.machine = {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "gpus": gpu_names(),
    }
    record.git_commit = _git_commit()


@functools.cache
def _versions() -> dict[str, str]:
    """Returns the versions of Python and of each installed package of `VERSIONED_PACKAGES`."""
    versions = {"python": platform.python_version()}
    for package in VERSIONED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def _git_commit() -> str | None:
    """Returns the commit of the checkout that this package runs from, with "+" if it is changed."""
    here = Path(__file__).resolve().parents[3]
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
