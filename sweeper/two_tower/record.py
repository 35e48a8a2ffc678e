"""The files of a trial: `trial.json`, `history.csv`, `curves.png` and its ranks.

Only this module knows their names and formats. Each file is written atomically, see
`sweeper.common.output_files`.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweeper.common.errors import OutputError, Stopped, TrialPruned, shortened
from sweeper.common.json_types import hints_of, is_of
from sweeper.common.output_files import TRACEBACK, atomic_write, read_json
from sweeper.common.runtime import peak_memory_mb
from sweeper.two_tower.config import Config, with_new_names

FORMAT_VERSION, READ_VERSIONS = 2, (1, 2)
# The names of format 1, and their names now.
RENAMED = {"kept_epoch": "best_epoch", "by_warmth": "by_cold_start"}
RENAMED_STAGES = {"keep_rows": "save_ranks", "time_queries": "measure_latency"}
TRIAL, HISTORY, CURVES = "trial.json", "history.csv", "curves.png"
ROWS = {"validation": "validation_rows.parquet", "test": "test_rows.parquet"}

Metrics = dict[str, float]
# The values of a repeat that are read again.
REPEAT = {"split_seed": int, "directory": str, "metrics": dict[str, Metrics]}


@dataclass
class TrialRecord:
    """The record of one trial, or of its repeats on several splits.

    For repeats, all values are means unless said otherwise.

    Attributes:
      state: running, completed, pruned, interrupted or failed.
      reason: why it failed or was cut short.
      untracked: the reason by experiment tracker that failed; it lacks a part of the trial.
      config: the resolved configuration.
      num_parameters: the number of weights of the model; for repeats, of the first one.
      metrics: by the rows scored ("validation", "test"), then by metric.
      deviations: like `metrics`, the sample standard deviations over the repeats;
        empty with fewer than two.
      repeats: for each split seed its `split_seed`, `directory` (within this
        record's), `state`, `epochs`, `best_epoch` and `metrics`.
      baselines: by baseline, then like `metrics`.
      epochs: the last epoch trained and evaluated; for repeats, their sum.
      by_cold_start: by the rows scored, then by "warm", "cold_user" and "cold_item" (see
        `evaluation.segments`), the number `rows` and the model's metrics on these; for repeats the
        metrics are means over those with such rows; empty where no ranks are kept.
      by_repetition: by the rows scored, then by "repeat" (the row's user has its candidate
        already, see `evaluation.seen`) and "new", the number `rows` and the model's metrics on
        these; for repeats like `by_cold_start`.
      by_history_length, by_time_since_training: by "model" and baseline, then by the rows scored,
        then by segment (see `evaluation.segments`), the number `rows`, top-10, top-100 and NDCG@10
        on these, unfiltered and seen-filtered, and the trial's metric; for repeats like
        `by_cold_start`. Both are empty where no ranks are kept or the data has no times; the latter
        also where not all scored rows come after training.
      coverage: the share of the catalogue in anyone's top 100, by "model" and baseline;
        None: not measured.
      best_epoch: the epoch whose weights the metrics belong to; each repeat has its own.
      history: one entry for each evaluation, the rows of `history.csv`.
      milliseconds_per_query: see `sweeper.two_tower.evaluation.latency`; None: not measured.
      seconds: by stage; for repeats, their sums. `total` leaves out the time between two steps of
        the trial, in which a report is made or another repeat runs.
    """

    config: dict[str, Any]
    state: str = "running"
    reason: str | None = None
    untracked: dict[str, str] = field(default_factory=dict)
    started: str = ""
    command: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    num_parameters: int | None = None
    metrics: dict[str, Metrics] = field(default_factory=dict)
    deviations: dict[str, Metrics] = field(default_factory=dict)
    repeats: list[dict[str, Any]] = field(default_factory=list)
    baselines: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    by_cold_start: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    by_repetition: dict[str, dict[str, Metrics]] = field(default_factory=dict)
    by_history_length: dict[str, dict[str, dict[str, Metrics]]] = field(default_factory=dict)
    by_time_since_training: dict[str, dict[str, dict[str, Metrics]]] = field(default_factory=dict)
    epochs: int | None = None
    best_epoch: int | None = None
    stopped_early: bool = False
    milliseconds_per_query: float | None = None
    coverage: dict[str, float] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    format_version: int = FORMAT_VERSION
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def rows(self) -> str:
        """The rows that are evaluated during training, "validation" or "test"."""
        return str(self.config["evaluation"]["split"])

    def value(self, name: str) -> float:
        """Returns the value of an objective: a metric on `rows`, or a cost of the whole trial.

        Args:
          name: "top_100", ..., "num_parameters", "milliseconds_per_query" or
            "train_seconds".

        Raises:
          KeyError: the trial has no such value.
        """
        values = {
            **self.metrics.get(self.rows, {}),
            "num_parameters": self.num_parameters,
            "milliseconds_per_query": self.milliseconds_per_query,
            "train_seconds": self.seconds.get("train"),
        }
        value = values[name]
        if value is None:
            raise KeyError(name)
        return value


def create(directory: Path, record: TrialRecord) -> None:
    """Writes a new trial's first record, with the time and the command that started it.

    Raises:
      OutputError: the directory holds a trial already, or can't be written.
    """
    if (directory / TRIAL).exists():
        raise OutputError(
            f"{directory}: already holds a trial ({TRIAL}); give another hydra.run.dir, or move "
            "it away: no result is overwritten"
        )
    record.started = datetime.now(UTC).isoformat(timespec="seconds")
    record.command = list(sys.argv)
    write(directory, record)


@contextmanager
def recording_outcome(directory: Path, record: TrialRecord) -> Iterator[None]:
    """Records how the block ends; the traceback of a failure gets a file."""
    try:
        yield
        record.state = "completed"
    except TrialPruned as pruned:
        record.state, record.reason = "pruned", str(pruned) or None
        raise
    except KeyboardInterrupt as error:
        reason = str(error) if isinstance(error, Stopped) else "interrupted by Ctrl-C"
        record.state, record.reason = "interrupted", reason
        raise
    except GeneratorExit:
        # The caller that advances the trial step by step has closed it.
        record.state, record.reason = "interrupted", "ended by its caller"
        raise
    except BaseException as error:
        record.state, record.reason = "failed", f"{type(error).__name__}: {error}"
        # A full disk must not hide the reason.
        with suppress(OutputError):
            atomic_write(directory / TRACEBACK, traceback.format_exc().encode())
        raise


def close(directory: Path, record: TrialRecord) -> None:
    """Writes the record for the last time, with the peak memory of the process."""
    record.seconds = {name: round(value, 4) for name, value in record.seconds.items()}
    record.peak_memory_mb = round(peak_memory_mb(), 1)
    write(directory, record)


def mark_interrupted(directory: Path, state: str, reason: str) -> None:
    """Sets the outcome in the records of a trial and its repeats that have none yet.

    It is called when the trial's process has died or had to be stopped. A record that can't be
    written stays as it is.
    """
    for path in [directory, *directory.glob("*/")]:
        with suppress(OutputError):
            record = read(path)
            if record.state in ("running", "interrupted"):
                record.state, record.reason = state, reason
                write(path, record)


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
        atomic_write(directory / HISTORY, table.getvalue().encode())
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(directory / TRIAL, (text + "\n").encode())


def read(directory: Path) -> TrialRecord:
    """Reads a trial back, history included.

    Raises:
      OutputError: the directory has no trial, or it is damaged or of another version.
    """
    path = directory / TRIAL
    content = read_json(path, "trial")
    version = content.get("format_version") if isinstance(content, dict) else None
    if version not in READ_VERSIONS:
        raise OutputError(
            f"{path}: has format version {version}; this sweeper reads "
            f"{' and '.join(map(str, READ_VERSIONS))}"
        )
    if version == 1:
        content = _with_new_names(content)
    history = directory / HISTORY
    rows: list[dict[str, float]] = []
    try:
        if history.exists():
            with history.open(encoding="utf-8", newline="") as file:
                rows = [
                    {key: float(value) for key, value in row.items() if value != ""}
                    for row in csv.DictReader(file)
                ]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise OutputError(f"{history}: no history can be read from it: {error}") from error
    if not all(math.isfinite(row.get("epoch", math.nan)) for row in rows):
        raise OutputError(f"{history}: no history can be read from it: a row has no epoch")
    try:
        record = TrialRecord(**content, history=rows)
    except TypeError as error:
        raise OutputError(f"{path}: isn't a record of this version: {error}") from error
    for name, value in _misfits(record):
        raise OutputError(
            f"{path}: isn't a record of this version: {name} is {shortened(repr(value))}"
        )
    return record


def _with_new_names(content: dict[str, Any]) -> dict[str, Any]:
    """Converts the content of a record of format 1 to format 2."""
    renamed = {RENAMED.get(key, key): value for key, value in content.items()}
    renamed["format_version"] = FORMAT_VERSION
    if isinstance(config := renamed.get("config"), dict):
        renamed["config"] = with_new_names(Config, config)
    if isinstance(seconds := renamed.get("seconds"), dict):
        renamed["seconds"] = {RENAMED_STAGES.get(key, key): value for key, value in seconds.items()}
    if isinstance(repeats := renamed.get("repeats"), list):
        renamed["repeats"] = [
            {RENAMED.get(key, key): value for key, value in each.items()}
            if isinstance(each, dict)
            else each
            for each in repeats
        ]
    return renamed


def _misfits(record: TrialRecord) -> Iterator[tuple[str, Any]]:
    """Yields the name and the value of each field of a record whose type is wrong."""
    for name, hint in hints_of(TrialRecord).items():
        if not is_of(getattr(record, name), hint):
            yield name, getattr(record, name)
    for repeat in record.repeats:
        if not all(name in repeat and is_of(repeat[name], REPEAT[name]) for name in REPEAT):
            yield "repeats", repeat
    if not is_of(record.config, Config):
        yield "config", record.config
    elif record.config.get("evaluation", {}).get("split") not in ROWS:
        yield "config.evaluation", record.config.get("evaluation")
