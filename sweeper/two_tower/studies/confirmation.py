"""Plans the confirmation of a study: its best configurations are trained again and tested.

The best value of a search is the luckiest of many values. A confirmation therefore trains the
best configurations and a reference on all rows that are not test rows, with seeds that guided
no choice, and scores them on test rows. It uses fresh splits for a random split, and cuts for a
split by time (a rolling origin: Tashman, "Out-of-sample tests of forecasting accuracy", 2000).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from statistics import fmean
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader

from sweeper.common.errors import StudyError
from sweeper.study.config import ConfirmConfig
from sweeper.study.fixed_grid import CONFIGURATION, FixedGridPlan, Point
from sweeper.study.outputs.leaderboard import leaderboard_rows
from sweeper.study.plan import Plan
from sweeper.two_tower import record as records
from sweeper.two_tower.config import DataConfig, to_dictionary, with_defaults
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.studies.ablations import ablations
from sweeper.two_tower.studies.retraining import (
    CUT,
    SPLIT_SEED,
    TRAIN_SEED,
    experiment_config,
    retraining,
)

DIRECTORY = "confirmation"
# The number of cuts of a split by time if `study.confirm.cuts` is null.
CUTS = 3


def plan_confirmation(plan: Plan, study: optuna.Study, loader: ConfigLoader) -> FixedGridPlan:
    """Plans the confirmation of a finished study.

    Raises:
      StudyError: no trial of the study is complete and feasible.
      OutputError: a trial's record can't be read.
    """
    configs = dict(_configs(plan, study, loader))
    # An extended study may have another best trial, whose confirmation gets another directory.
    purpose = (
        "the best configurations are trained again with fresh seeds and scored on "
        f"test rows{_cuts_text(plan)} (study.confirm)"
    )
    return retraining(plan, DIRECTORY, configs, list(_points(plan, list(configs))), purpose)


def _cuts_text(plan: Plan) -> str:
    if plan.trial.data.split == "random":
        return ""
    cuts = confirmed_cuts(plan.study.confirm, plan.trial.data)
    return f" at {'cut' if len(cuts) == 1 else 'cuts'} {', '.join(map(str, cuts))}"


def skipped_parts(confirm: ConfirmConfig, split: str, names: Iterable[str]) -> Iterator[str]:
    """Yields a line for each requested part that the confirmation skips.

    Args:
      split: the value of `data.split`.
      names: the names of the configurations that the confirmation trains.
    """
    for column_or_kind in confirm.without:
        if not any(name.endswith(f"_without_{column_or_kind}") for name in names):
            yield (
                f"without {column_or_kind}: skipped; no feature matches, or all features of a tower"
            )
    for label in confirm.ablations:
        if not any(name.endswith(f"_with_{label}") for name in names):
            yield f"with {label}: skipped; the best configuration has these values already"
    if confirm.split_seeds and split != "random":
        yield f"fresh splits: skipped; data.split {split!r} is confirmed at cuts (data.cut) instead"


def _configs(
    plan: Plan, study: optuna.Study, loader: ConfigLoader
) -> Iterator[tuple[str, dict[str, Any]]]:
    best = [entry for entry in leaderboard_rows(study) if entry.rank is not None]
    if not best:
        raise StudyError(f"study.confirm: no trial of {plan.directory} is complete and feasible")
    for index, entry in enumerate(best[: plan.study.confirm.best]):
        record = records.read(plan.directory / str(entry.directory))
        config = _on_present_data(plan, for_test_rows(record))
        yield f"trial_{entry.number}", config
        if index == 0:
            yield from ablations(plan.study.confirm, f"trial_{entry.number}", config)
    if reference := plan.study.reference:
        config = to_dictionary(experiment_config(plan, reference, loader))
        yield reference, _scored_on_test_rows(config)


def for_test_rows(record: TrialRecord) -> dict[str, Any]:
    """Returns a trial's configuration that trains on all other rows and scores test rows.

    It trains for `epochs_to_train` epochs, since no rows are left to choose an epoch on.
    """
    config = with_defaults(copy.deepcopy(record.config))
    config["train"]["epochs"] = epochs_to_train(record)
    return _scored_on_test_rows(config)


def epochs_to_train(record: TrialRecord) -> int:
    """Returns the number of epochs of the weights that the trial kept.

    It is the full number of epochs if the learning rate has a schedule, which depends on it.
    """
    config = with_defaults(record.config)
    if config["optimizer"]["schedule"] == "constant":
        return best_epoch(record)
    return int(config["train"]["epochs"])


def _on_present_data(plan: Plan, config: dict[str, Any]) -> dict[str, Any]:
    """Sets the data's directories, which may change between two starts, to the present ones."""
    for name in ("cache_dir", "source"):
        if not {"data", f"data.{name}"} & set(plan.space.keys):
            config["data"][name] = getattr(plan.trial.data, name)
    return config


def fixed_epochs(epochs: int) -> dict[str, Any]:
    """Returns values of `train` for a fixed number of epochs, whose last weights are kept."""
    return {
        "epochs": epochs,
        "eval_every_epochs": epochs,
        "restore_best": False,
        "patience_evaluations": None,
    }


def best_epoch(record: TrialRecord) -> int:
    """Returns the epoch whose weights a trial kept, or the rounded mean over its repeats."""
    if record.repeats:
        return round(fmean(repeat["best_epoch"] for repeat in record.repeats))
    assert record.best_epoch is not None
    return record.best_epoch


def _scored_on_test_rows(config: dict[str, Any]) -> dict[str, Any]:
    config["data"] |= {"train_size": None, "validation_size": 0}
    config["train"] |= fixed_epochs(config["train"]["epochs"])
    config["evaluation"] |= {
        "split": "test",
        "score_test": True,
        "save_ranks": True,
        "measure_latency": False,
    }
    return config


def _points(plan: Plan, names: list[str]) -> Iterator[Point]:
    """Yields all configurations with one seed, then with the next.

    So an unfinished confirmation can be compared as well.
    """
    by_time = plan.trial.data.split != "random"
    key, listed = (CUT, _at_cuts(plan)) if by_time else (SPLIT_SEED, _on_random_splits(plan))
    for split, train_seed in listed:
        for name in names:
            yield {CONFIGURATION: name, key: split, TRAIN_SEED: train_seed}


def _on_random_splits(plan: Plan) -> Iterator[tuple[int, int]]:
    """Yields pairs of a split seed and a training seed."""
    confirm, data, seed = plan.study.confirm, plan.trial.data, plan.trial.train.seed
    if not plan.study.split_seeds:
        # With several splits, the test rows of each are training rows of another.
        for train_seed in range(seed + 1, seed + 1 + confirm.train_seeds):
            yield data.split_seed, train_seed
    first = max([data.split_seed, *plan.study.split_seeds]) + 1
    for split_seed in range(first, first + confirm.split_seeds):
        yield split_seed, seed


def _at_cuts(plan: Plan) -> Iterator[tuple[int, int]]:
    """Yields pairs of a cut and a training seed.

    All untouched cuts come first, with one seed, then with the next; then the other cuts.
    """
    confirm, seed = plan.study.confirm, plan.trial.train.seed
    cuts = confirmed_cuts(confirm, plan.trial.data)
    for untouched in (True, False):
        for train_seed in range(seed + 1, seed + 1 + confirm.train_seeds):
            for cut in cuts:
                if is_untouched(cut, plan.trial.data.cut) == untouched:
                    yield cut, train_seed


def confirmed_cuts(confirm: ConfirmConfig, data: DataConfig) -> list[int]:
    """Returns the study's own cut, then later cuts, then earlier cuts, each the nearest first."""
    number = CUTS if confirm.cuts is None else confirm.cuts
    later, earlier = range(data.cut, -1, -1), range(data.cut + 1, data.cut + number)
    return [*later, *earlier][:number]


def is_untouched(cut: int, own: int) -> bool:
    """Returns whether a search at its own cut used none of another cut's test rows.

    The test rows of later cuts are later than all its rows. Those of earlier cuts were among its
    validation or training rows.
    """
    return cut <= own
