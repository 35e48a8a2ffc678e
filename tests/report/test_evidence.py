"""What a confirmation shows, of made-up runs: figures by hand, what is missing, what is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pyarrow
import pyarrow.parquet
import pytest
from optuna.trial import TrialState, create_trial

from sweeper import record as records
from sweeper.evaluation.rows import as_parquet
from sweeper.record import TrialRecord
from sweeper.report.evidence import load_evidence
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.storage import load_study, make_study

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

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
    make_study(place, "confirmation", [ObjectiveConfig()], values)
    confirmation = load_study(place, "confirmation")
    for number, (point, ranks) in enumerate(zip(points, RANKS.values(), strict=True)):
        directory = f"trials/{number:04d}"
        record = TrialRecord(
            {"evaluation": {"rows": "test"}},
            state="completed",
            baselines={"popularity": {}},
            coverage={"model": 0.5 + number / 10, "popularity": 0.06},
            data={"rows": {"train": 16, "test": 4}},
        )
        records.write(place / directory, record)
        records.write_whole(place / directory / records.ROWS, as_parquet(table(ranks)))
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


def test_figures_by_seed_and_by_split(tmp_path):
    made_up_confirmation(tmp_path)
    evidence, problems = load_evidence(tmp_path)
    assert not problems
    assert (evidence.winner, evidence.names, evidence.baselines) == (
        "trial_7", NAMES, ["popularity"],
    )  # fmt: skip
    assert evidence.values("trial_7", "top_100") == [0.75, 1.0]
    assert evidence.values("reference", "top_100") == [0.5, 0.25]
    assert evidence.values("popularity", "top_100") == [0.5, 0.5]
    assert evidence.values("trial_7", "top_100", fresh=True) == [0.5]
    assert evidence.values("reference", "seen_filtered_top_100") == [0.5, 0.5]
    summary = evidence.summary("trial_7", "top_100")
    assert (summary.mean, summary.number) == (0.875, 2)


def test_the_winner_against_all_others_on_the_same_rows(tmp_path):
    made_up_confirmation(tmp_path)
    evidence, _ = load_evidence(tmp_path)
    comparisons = evidence.against_winner("top_100")
    assert list(comparisons) == ["reference", "popularity"]
    assert comparisons["reference"].difference == pytest.approx(0.875 - 0.375)
    assert comparisons["popularity"].difference == pytest.approx(0.875 - 0.5)
    assert comparisons["reference"].users == 3
    on_splits = evidence.against_winner_on_splits("top_100")
    assert on_splits["reference"].difference == pytest.approx(0.25)


def test_accuracy_by_training_rows_of_user_and_candidate(tmp_path):
    made_up_confirmation(tmp_path)
    evidence, _ = load_evidence(tmp_path)
    groups = evidence.by_training_rows("item", "top_100")
    assert [(group.low, group.high, group.rows) for group in groups] == [
        (5, 5, 2), (7, 7, 1), (50, 50, 1),
    ]  # fmt: skip
    # Of the two rows with five: hit with both seeds, and with one of them.
    assert groups[0].accuracies == {"trial_7": 0.75, "reference": 0.5, "popularity": 0.0}
    assert sum(group.rows for group in evidence.by_training_rows("user", "top_100")) == 4


def test_coverage_is_the_mean_over_the_seeds(tmp_path):
    made_up_confirmation(tmp_path)
    evidence, _ = load_evidence(tmp_path)
    assert evidence.coverage() == pytest.approx(
        {"trial_7": 0.6, "reference": 0.7, "popularity": 0.06}
    )


def test_a_seed_that_not_all_have_ended_counts_for_none(tmp_path):
    confirmation = made_up_confirmation(tmp_path)
    rows = tmp_path / "confirmation" / "trials" / "0003" / records.ROWS
    rows.write_bytes(b"no parquet")
    evidence, problems = load_evidence(tmp_path)
    assert evidence.values("trial_7", "top_100") == [0.75]
    assert [problem.split(":")[0] for problem in problems] == [str(rows)]
    assert len(confirmation.trials) == 6
    (tmp_path / "confirmation" / "trials" / "0001" / records.TRIAL).unlink()
    evidence, problems = load_evidence(tmp_path)
    assert evidence.values("trial_7", "top_100") == []
    assert evidence.summary("trial_7", "top_100") is None
    assert evidence.against_winner("top_100") == {}
    assert evidence.by_training_rows("user", "top_100") == []
    assert len(problems) == 2


def test_the_latest_confirmation_counts(tmp_path):
    assert load_evidence(tmp_path) == (None, [])
    for name in ("confirmation", "confirmation_2", "confirmation_10"):
        made_up_confirmation(tmp_path, name)
    evidence, _ = load_evidence(tmp_path)
    assert evidence.directory.name == "confirmation_10"
