"""A confirmation of two configurations that never ran, with the files that its trials leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pyarrow
from optuna.trial import TrialState, create_trial

from sweeper.common.output_files import atomic_write
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage.factory import load_study
from sweeper.study.storage.files import Sqlite
from sweeper.two_tower import record as records
from sweeper.two_tower.evaluation.rows import as_parquet
from sweeper.two_tower.record import TrialRecord

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
# The same by cuts, of a study whose own cut is 1: 0 came after it, 2 and 3 before.
AT_CUTS = {
    (1, 43, "trial_7"): [0, 5, 99, 100],
    (1, 43, "reference"): [0, 200, 300, 99],
    (1, 44, "trial_7"): [0, 5, 99, 99],
    (1, 44, "reference"): [100, 200, 300, 99],
    (0, 43, "trial_7"): [0, 5],
    (0, 43, "reference"): [100, 100],
    (0, 44, "trial_7"): [0, 100],
    (0, 44, "reference"): [0, 100],
    (2, 43, "trial_7"): [0, 5, 200, 300],
    (2, 43, "reference"): [0, 100, 200, 300],
    (3, 43, "trial_7"): [0, 5, 99],
    (3, 43, "reference"): [0, 5, 99],
    # The other seed has not come to its end at cut 3.
    (2, 44, "trial_7"): [100, 100, 200, 300],
    (2, 44, "reference"): [100, 100, 200, 300],
}
POPULARITY = [0, 150, 99, 150]


def table(ranks: list[int]) -> pyarrow.Table:
    """Of as many of the four rows as there are ranks."""
    rows = pyarrow.table(
        {
            "user": np.array([0, 0, 1, 2]),
            "item": np.array([3, 1, 2, 0]),
            "user_rows": np.array([9, 9, 20, 1]),
            "item_rows": np.array([50, 5, 7, 5]),
            "popularity_rank": np.array(POPULARITY),
            "popularity_seen_filtered_rank": np.array(POPULARITY),
        }
    ).slice(0, len(ranks))
    rows = rows.append_column("model_rank", [ranks])
    return rows.append_column("model_seen_filtered_rank", [[max(rank - 100, 0) for rank in ranks]])


def scores(ranks: list[int]) -> dict[str, float]:
    rows = table(ranks)
    return {
        f"{prefix}top_{k}": float((np.asarray(rows[f"model_{prefix}rank"]) < k).mean())
        for prefix in ("", "seen_filtered_")
        for k in (5, 100)
    }


def made_up_confirmation(
    study: Path, name: str = "confirmation", cuts: bool = False
) -> optuna.Study:
    """Below a study's directory, with a run for each of `RANKS`, or of `AT_CUTS`."""
    place = study / name
    place.mkdir(parents=True)
    key, split_by, all_ranks = (
        ("data.cut", "temporal", AT_CUTS) if cuts else ("data.split_seed", "random", RANKS)
    )
    points = [
        {"configuration": configuration, key: split, "train.seed": seed}
        for split, seed, configuration in all_ranks
    ]
    values = {
        attributes.CONFIGS: {each: {} for each in NAMES},
        attributes.POINTS: points,
        attributes.PROTOCOL: {"data.split_seed": 42, "data.cut": 1},
    }
    Sqlite(place).make([ObjectiveConfig()], values, "confirmation")
    confirmation = load_study(place)
    for number, (point, ranks) in enumerate(zip(points, all_ranks.values(), strict=True)):
        directory = f"trials/{number:04d}"
        record = TrialRecord(
            {"evaluation": {"split": "test"}, "data": {"split": split_by}},
            state="completed",
            metrics={"test": scores(ranks)},
            baselines={"popularity": {"test": scores(POPULARITY[: len(ranks)])}},
            coverage={"model": 0.5 + number / 10, "popularity": 0.06},
            data={"rows": {"train": 16, "test": len(ranks)}},
        )
        records.write(place / directory, record)
        atomic_write(place / directory / records.ROWS["test"], as_parquet(table(ranks)))
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
