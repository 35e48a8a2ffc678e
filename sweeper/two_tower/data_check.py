"""Checks before training whether a trial's configuration fits the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import Config
from sweeper.two_tower.data.preview import (
    Preview,
    changed_files,
    contents_key,
    file_states,
    preview,
)
from sweeper.two_tower.data.split import check_sizes
from sweeper.two_tower.evaluation.baselines import check_baselines
from sweeper.two_tower.evaluation.saturation import saturation_by_size
from sweeper.two_tower.model.fitting import check_columns
from sweeper.two_tower.validation import validate

__all__ = [
    "Preview", "changed_files", "check_sizes", "contents_key", "file_states", "misfits", "preview",
    "saturated_objectives",
]  # fmt: skip


def misfits(config: Config, data: Preview) -> Iterator[str]:
    """Yields a line for each value of a trial's configuration that doesn't fit its data."""
    for check in (
        lambda: validate(config),
        lambda: check_columns(config.features, data),
        lambda: check_sizes(config.data, data.num_rows),
        lambda: check_baselines(config.evaluation, data.num_users, data.num_items),
    ):
        try:
            check()
        except ConfigError as error:
            yield from error.problems


def saturated_objectives(metrics: Iterable[str], data: Iterable[Preview]) -> Iterator[str]:
    """Yields a line for each objective of a study that is the same for every trial.

    Args:
      data: the data sets of all trials.
    """
    largest = max(each.num_items for each in data)
    texts = (saturation_by_size("study.objectives", metric, largest) for metric in metrics)
    yield from filter(None, texts)
