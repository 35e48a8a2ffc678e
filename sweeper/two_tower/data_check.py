"""Whether a trial's configuration fits the data, as far as that is known before it trains."""

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
    """What of a trial's configuration its data doesn't have, or has too much of, a line each."""
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
    """A line for each objective of a study that is the same for every trial, whatever the model.

    Args:
      data: all that trials are trained on.
    """
    largest = max(each.num_items for each in data)
    texts = (saturation_by_size("study.objectives", metric, largest) for metric in metrics)
    yield from filter(None, texts)
