"""Small studies as `python -m sweeper` leaves them, with Optuna's storage and trials' records."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial
from small_trials import compose_config

from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage.factory import load_study
from sweeper.study.storage.files import Sqlite
from sweeper.two_tower import record as records
from sweeper.two_tower.config import to_dictionary
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.summary import summarize

START = datetime(2026, 11, 24, 12, 0, 0)
STATES = {
    "complete": TrialState.COMPLETE,
    "infeasible": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "interrupted": TrialState.FAIL,
    "running": TrialState.RUNNING,
    "waiting": TrialState.WAITING,
}
RECORD_STATES = {"complete": "completed", "infeasible": "completed"}
POPULARITY = 0.3
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "optimizer": CategoricalDistribution(("adagrad", "adam")),
    "task": CategoricalDistribution(("in_batch_softmax", "full_softmax")),
    "model.dropout": FloatDistribution(0.0, 0.4, step=0.1),
    "adam_learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "model.layer_sizes.depth": IntDistribution(1, 3),
    "data.split_seed": CategoricalDistribution((0, 1, 2)),
    "model": CategoricalDistribution(("one_layer", "two_layer")),
}


@functools.cache
def _config(overrides: tuple[str, ...]) -> dict[str, Any]:
    return to_dictionary(compose_config(*overrides))


def made_up_record(
    values: Sequence[float],
    state: str = "complete",
    overrides: Sequence[str] = (),
    popularity: float = POPULARITY,
    **fields: Any,
) -> TrialRecord:
    """The record of a trial that was evaluated every second of ten epochs, as far as it went.

    Args:
      values: top-100 accuracy at epochs 2, 4, ….
    """
    config = copy.deepcopy(
        _config(
            (
                "data=synthetic",
                "train.epochs=10",
                "train.eval_every_epochs=2",
                "evaluation.save_ranks=false",
                *overrides,
            )
        )
    )
    rows = config["evaluation"]["split"]
    best = max(values, default=0.0)
    record = TrialRecord(
        config,
        state=RECORD_STATES.get(state, state),
        started="2026-11-24T12:00:00+00:00",
        command=["/somewhere/sweeper/__main__.py", "-m", "model=one_layer,two_layer"],
        data={
            "source": "made in a test",
            "fingerprint": "0123456789abcdef",
            "interactions": 1000,
            "users": 40,
            "candidates": 120,
            "rows": {"train": 700, "validation": 100, "test": 200},
            "unused_rows": 0,
        },
        num_parameters=1234,
        metrics={rows: _scores(best)} if values else {},
        baselines={"popularity": {rows: _scores(popularity)}},
        epochs=2 * len(values),
        best_epoch=2 * (1 + list(values).index(best)) if values else None,
        seconds={"import_tensorflow": 2.0, "first_epoch": 1.0, "train": 4.0, "total": 7.0},
        peak_memory_mb=512.0,
        machine={"system": "Linux", "cores": 2, "threads": 1},
        versions={"python": "3.11.7", "sweeper": "0.1.0"},
        git_commit="0" * 40 + "+",
        history=[
            {"epoch": 2.0 * (index + 1), "loss": 7.0 - index, **_scores(value)}
            for index, value in enumerate(values)
        ],
    )
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def _scores(top_100: float) -> dict[str, float]:
    """Every metric, the smaller k the lower."""
    shares = {1: 0.05, 5: 0.2, 10: 0.3, 50: 0.7, 100: 1.0}
    return {
        f"{prefix}top_{k}": top_100 * share
        for prefix in ("", "seen_filtered_")
        for k, share in shares.items()
    }


class StudyMaker:
    """Makes a study's directory, trial by trial."""

    def __init__(
        self,
        directory: Path,
        name: str = "made_up",
        space: Mapping[str, Any] | None = None,
        seconds: float = 100.0,
        **directions: str,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        objectives = [ObjectiveConfig(*item) for item in directions.items()] or [ObjectiveConfig()]
        values = {attributes.SPACE: dict(space or {}), attributes.SECONDS: seconds}
        Sqlite(directory).make(objectives, values, name)
        self.study = load_study(directory)
        self.number = 0

    def trial(
        self,
        values: Sequence[float] = (),
        state: str = "complete",
        params: Mapping[str, Any] | None = None,
        objectives: Sequence[float] | None = None,
        record: TrialRecord | None = None,
        write: Callable[[Path], object] | None = None,
        at: tuple[float, float] | None = None,
        **user_attrs: Any,
    ) -> Path:
        """Adds a trial; returns its directory.

        Args:
          values: top-100 accuracy at each evaluation.
          objectives: its values, if these aren't the best of `values`.
          record: that of the trial; None: one of `values`.
          write: leaves what the trial leaves; None: the record.
          at: when it started and ended, in seconds.
        """
        place = self.directory / "trials" / f"{self.number:04d}"
        if record is None:
            record = made_up_record(values, state)
        (write or (lambda place: records.write(place, record)))(place)
        result = summarize(place) if state != "waiting" else None
        trial = create_trial(
            state=STATES[state],
            values=self._values(values, state, objectives),
            params=dict(params or {}),
            distributions={
                name: DISTRIBUTIONS.get(name, CategoricalDistribution((value,)))
                for name, value in (params or {}).items()
            },
            intermediate_values={2 * (index + 1): value for index, value in enumerate(values)},
            user_attrs={
                attributes.DIRECTORY: f"trials/{self.number:04d}",
                **({attributes.RESULT: result} if result else {}),
                **({attributes.INTERRUPTED: True} if state == "interrupted" else {}),
                **user_attrs,
            },
            constraints={"scores_collapsed": 1.0} if state == "infeasible" else None,
        )
        start, end = at or (10.0 * self.number, 10.0 * self.number + 8.0)
        trial.datetime_start = START + timedelta(seconds=start)
        if trial.state.is_finished():
            trial.datetime_complete = START + timedelta(seconds=end)
        self.study.add_trial(trial)
        self.number += 1
        return place

    def _values(
        self, values: Sequence[float], state: str, objectives: Sequence[float] | None
    ) -> list[float] | None:
        if STATES[state] != TrialState.COMPLETE:
            return None
        return list(objectives) if objectives is not None else [max(values)]


def nothing(place: Path) -> None:
    """What a trial leaves whose process ended before it wrote anything."""


def searched(directory: Path) -> Path:
    """A search of 24 trials with a conditional parameter; every third is pruned."""
    maker = StudyMaker(
        directory,
        space={
            "optimizer": {"sets": "optimizer", "when": {}, "choices": ["adagrad", "adam"]},
            "adam_learning_rate": {
                "sets": "optimizer.learning_rate",
                "when": {"optimizer": ["adam"]},
                "type": "float", "low": 1e-4, "high": 1e-1, "step": None, "log": True,
            },
            "model.dropout": {
                "sets": "model.dropout", "when": {},
                "type": "float", "low": 0.0, "high": 0.4, "step": 0.1, "log": False,
            },
        },
    )  # fmt: skip
    for number in range(24):
        optimizer = ["adagrad", "adam"][number % 2]
        dropout = (number % 5) / 10
        params = {"optimizer": optimizer, "model.dropout": dropout}
        if optimizer == "adam":
            params["adam_learning_rate"] = 1e-4 * 1.3**number
        top = 0.45 - dropout / 4 + number / 1000
        state = "pruned" if number % 3 == 2 else "complete"
        values = [top - 0.1] if state == "pruned" else [top - 0.1, top, top - 0.01]
        sizes = ["[32]", "[64,32]", "[64,64]"][number % 3]
        record = made_up_record(values, state, [f"model.layer_sizes={sizes}"])
        maker.trial(values, state, params, record=record)
    return directory
