"""A study's best configurations trained anew, and scored on test rows.

The search's own maximum is the luckiest of many figures. Here the best few, and a
reference, are trained on all rows that are not test rows, with seeds that chose nothing.
A random split is repeated as fresh splits, one by time as cuts (a rolling origin: Tashman,
"Out-of-sample tests of forecasting accuracy", 2000).
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
# Of a split by time, where `study.confirm.cuts` doesn't say.
CUTS = 3


def plan_confirmation(plan: Plan, study: optuna.Study, loader: ConfigLoader) -> FixedGridPlan:
    """What confirms a study that is done.

    Raises:
      StudyError: no trial of it is complete and feasible.
      OutputError: a trial's record can't be read.
    """
    configs = dict(_configs(plan, study, loader))
    # A study that has been extended may have another best trial, to confirm in another place.
    purpose = (
        "the best configurations are trained anew, with seeds that chose nothing, and scored on "
        f"test rows{_cuts_text(plan)} (study.confirm)"
    )
    return retraining(plan, DIRECTORY, configs, list(_points(plan, list(configs))), purpose)


def _cuts_text(plan: Plan) -> str:
    if plan.trial.data.split == "random":
        return ""
    cuts = confirmed_cuts(plan.study.confirm, plan.trial.data)
    return f" at {'cut' if len(cuts) == 1 else 'cuts'} {', '.join(map(str, cuts))}"


def skipped_parts(confirm: ConfirmConfig, split: str, names: Iterable[str]) -> Iterator[str]:
    """What is asked for and a confirmation can't have, a line each.

    Args:
      split: `data.split`.
      names: of the configurations that it trains.
    """
    for what in confirm.without:
        if not any(name.endswith(f"_without_{what}") for name in names):
            yield f"without {what}: left out; no feature has it, or a tower no other"
    for label in confirm.ablations:
        if not any(name.endswith(f"_with_{label}") for name in names):
            yield f"with {label}: left out; the best configuration is like this"
    if confirm.split_seeds and split != "random":
        yield f"fresh splits: data.split {split!r} has none; cuts (data.cut) stand in their place"


def _configs(
    plan: Plan, study: optuna.Study, loader: ConfigLoader
) -> Iterator[tuple[str, dict[str, Any]]]:
    best = [row for row in leaderboard_rows(study) if row.rank is not None]
    if not best:
        raise StudyError(f"study.confirm: no trial of {plan.directory} is complete and feasible")
    for place, row in enumerate(best[: plan.study.confirm.best]):
        record = records.read(plan.directory / str(row.directory))
        config = _on_present_data(plan, for_test_rows(record))
        yield f"trial_{row.number}", config
        if place == 0:
            yield from ablations(plan.study.confirm, f"trial_{row.number}", config)
    if reference := plan.study.reference:
        config = to_dictionary(experiment_config(plan, reference, loader))
        yield reference, _scored_on_test_rows(config)


def for_test_rows(record: TrialRecord) -> dict[str, Any]:
    """A trial's configuration, to train on all rows that are not test rows, and score these.

    It trains for as many epochs as the trial kept, since there is nothing left to choose an
    epoch on; all of them where the learning rate's schedule ends with the last.
    """
    config = with_defaults(copy.deepcopy(record.config))
    config["train"]["epochs"] = epochs_to_train(record)
    return _scored_on_test_rows(config)


def epochs_to_train(record: TrialRecord) -> int:
    """As many as the trial kept; all of them where the learning rate's schedule goes by them."""
    config = with_defaults(record.config)
    if config["optimizer"]["schedule"] == "constant":
        return best_epoch(record)
    return int(config["train"]["epochs"])


def _on_present_data(plan: Plan, config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with the data where it lies now, which may change between two starts."""
    for name in ("cache_dir", "source"):
        if not {"data", f"data.{name}"} & set(plan.space.keys):
            config["data"][name] = getattr(plan.trial.data, name)
    return config


def fixed_epochs(epochs: int) -> dict[str, Any]:
    """Values of `train` that go through so many epochs and end with the last."""
    return {
        "epochs": epochs,
        "eval_every_epochs": epochs,
        "restore_best": False,
        "patience_evaluations": None,
    }


def best_epoch(record: TrialRecord) -> int:
    """The epoch whose weights a trial kept; of repeats, their mean."""
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
    """All configurations with one seed, then with the next: what there is can be compared."""
    by_time = plan.trial.data.split != "random"
    key, listed = (CUT, _at_cuts(plan)) if by_time else (SPLIT_SEED, _on_random_splits(plan))
    for split, train_seed in listed:
        for name in names:
            yield {CONFIGURATION: name, key: split, TRAIN_SEED: train_seed}


def _on_random_splits(plan: Plan) -> Iterator[tuple[int, int]]:
    """(split seed, training seed)."""
    confirm, data, seed = plan.study.confirm, plan.trial.data, plan.trial.train.seed
    if not plan.study.split_seeds:
        # With several splits, the search has trained on each one's test rows in another.
        for train_seed in range(seed + 1, seed + 1 + confirm.train_seeds):
            yield data.split_seed, train_seed
    first = max([data.split_seed, *plan.study.split_seeds]) + 1
    for split_seed in range(first, first + confirm.split_seeds):
        yield split_seed, seed


def _at_cuts(plan: Plan) -> Iterator[tuple[int, int]]:
    """(cut, training seed): all that confirm with one seed, then with the next, then the others."""
    confirm, seed = plan.study.confirm, plan.trial.train.seed
    cuts = confirmed_cuts(confirm, plan.trial.data)
    for untouched in (True, False):
        for train_seed in range(seed + 1, seed + 1 + confirm.train_seeds):
            for cut in cuts:
                if is_untouched(cut, plan.trial.data.cut) == untouched:
                    yield cut, train_seed


def confirmed_cuts(confirm: ConfirmConfig, data: DataConfig) -> list[int]:
    """The study's own cut, then those after it, the next one first, then those before it."""
    number = CUTS if confirm.cuts is None else confirm.cuts
    later, earlier = range(data.cut, -1, -1), range(data.cut + 1, data.cut + number)
    return [*later, *earlier][:number]


def is_untouched(cut: int, own: int) -> bool:
    """Whether a search at its own cut had no part of another cut's test rows.

    Those of later cuts came after all its rows. Those of earlier ones were among its validation or
    training rows.
    """
    return cut <= own
