"""A confirmation of two configurations that never ran, with the files that its trials leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pyarrow
from optuna.trial import TrialState, create_trial

from sweeper import record as records
from sweeper.evaluation.rows import as_parquet
from sweeper.files import write_whole
from sweeper.record import TrialRecord
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storages.choice import load_study
from sweeper.study.storages.files import Sqlite

NAMES = ["trial_7", "reference"]
# The ranks of four test rows, of users 0, 0, 1 and 2: split seed, training seed, configuration.
RANKS = {
    (42, 43, "trial_7"): [0, 5, 99, 100],
    (42, 43, "reference"): [0, 200, 300, 99],
    (42, 44, "trial_7"): [0, 5, 99, 99],
    (42, 44, "reference"): [100, 200, 300, 99],
    (43, 42, "trial_7"): [0, 5, 200, 300],
    (43, 42, "reference"): [0, 100, 200, 300],
}
POPULARITY = [0, 150, 99, 150]


def table(ranks: list[int]) -> pyarrow.Table:
    return pyarrow.table(
        {
            "user": np.array([0, 0, 1, 2]),
            "item": np.array([3, 1, 2, 0]),
            "user_rows": np.array([9, 9, 20, 1]),
            "item_rows": np.array([50, 5, 7, 5]),
            "model_rank": np.array(ranks),
            "model_seen_filtered_rank": np.maximum(np.array(ranks) - 100, 0),
            "popularity_rank": np.array(POPULARITY),
            "popularity_seen_filtered_rank": np.array(POPULARITY),
        }
    )


def scores(ranks: list[int]) -> dict[str, float]:
    rows = table(ranks)
    return {
        f"{prefix}top_{k}": float((np.asarray(rows[f"model_{prefix}rank"]) < k).mean())
        for prefix in ("", "seen_filtered_")
        for k in (5, 100)
    }


def made_up_confirmation(study: Path, name: str = "confirmation") -> optuna.Study:
    """Below a study's directory, with a run for each of `RANKS`."""
    place = study / name
    place.mkdir(parents=True)
    points = [
        {"configuration": configuration, "data.split_seed": split, "train.seed": seed}
        for split, seed, configuration in RANKS
    ]
    values = {
        attributes.CONFIGS: {each: {} for each in NAMES},
        attributes.POINTS: points,
        attributes.PROTOCOL: {"data.split_seed": 42},
    }
    Sqlite(place).make([ObjectiveConfig()], values, "confirmation")
    confirmation = load_study(place)
    for number, (point, ranks) in enumerate(zip(points, RANKS.values(), strict=True)):
        directory = f"trials/{number:04d}"
        record = TrialRecord(
            {"evaluation": {"rows": "test"}, "data": {"split": "random"}},
            state="completed",
            metrics={"test": scores(ranks)},
            baselines={"popularity": {"test": scores(POPULARITY)}},
            coverage={"model": 0.5 + number / 10, "popularity": 0.06},
            data={"rows": {"train": 16, "test": 4}},
        )
        records.write(place / directory, record)
        write_whole(place / directory / records.ROWS["test"], as_parquet(table(ranks)))
        confirmation.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=0.5,
                user_attrs={
                    attributes.DIRECTORY: directory,
                    attributes.OVERRIDES: [f"{key}={value}" for key, value in point.items()],
                },
            )
        )
    return confirmation
