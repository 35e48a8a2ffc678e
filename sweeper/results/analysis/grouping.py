"""By what the trials of a study are told apart: their layer sizes, or what matters most."""

from __future__ import annotations

from typing import Any

from sweeper.results.analysis.importance import importances, is_seed, study_with_pruned
from sweeper.results.study_results import StudyResults
from sweeper.study.fixed_grid import CONFIGURATION
from sweeper.study.outputs.reading import parameter_text, short_names

LAYER_SIZES = "layer sizes"
# A parameter of more values than this tells too many groups apart.
MAX_VALUES = 8
CONFIG_GROUPS = ("data", "features", "model", "task", "optimizer", "train", "experiment")


def group_labels(subject: StudyResults) -> tuple[str, dict[int, str]]:
    """What the groups are values of, and the group of each trial that has a record."""
    if any(CONFIGURATION in row.params for row in subject.rows):
        return "configuration", _labels(subject, CONFIGURATION)
    layers = {number: layers_text(record.config) for number, record in subject.records.items()}
    if len(set(layers.values())) > 1:
        return LAYER_SIZES, layers
    name = _most_important_choice(subject)
    if name is None:
        return LAYER_SIZES, layers
    labels = _labels(subject, name)
    if name in CONFIG_GROUPS:
        return name, labels
    short = short_names([name])[name]
    return short, {number: f"{short} {label}" for number, label in labels.items()}


def _labels(subject: StudyResults, name: str) -> dict[int, str]:
    rows = [row for row in subject.rows if row.number in subject.records]
    return {row.number: parameter_text(row.params.get(name, "–")) for row in rows}


def _most_important_choice(subject: StudyResults) -> str | None:
    """The parameter of few values that counts most; config groups come first.

    Where too few trials tell what counts, the first.
    """
    choices = [name for name in _choices(subject) if 1 < _number_of(subject, name) <= MAX_VALUES]
    choices = [name for name in choices if name in CONFIG_GROUPS] or choices
    weights = importances(study_with_pruned(subject))
    return max(choices, key=lambda name: weights.get(name, 0.0)) if choices else None


def _number_of(subject: StudyResults, name: str) -> int:
    return len({str(row.params[name]) for row in subject.rows if name in row.params})


def _choices(subject: StudyResults) -> list[str]:
    """The parameters that are no ranges of numbers and no seeds."""
    values = [item for row in subject.rows for item in row.params.items()]
    ranges = {name for name, value in values if isinstance(value, float)}
    names = dict.fromkeys(name for name, _ in values)
    return [name for name in names if name not in ranges and not is_seed(name)]


def layers_of(config: dict[str, Any]) -> tuple[list[int], list[int]]:
    """The widths of the query and the candidate tower; empty: a projection of the features."""
    model = config["model"]

    def of_tower(own: list[int] | None) -> list[int]:
        return model["layer_sizes"] if own is None else own

    return of_tower(model["query_layer_sizes"]), of_tower(model["candidate_layer_sizes"])


def layers_text(config: dict[str, Any]) -> str:
    """ "64-32"; both towers where they differ."""
    query, candidate = ("-".join(map(str, sizes)) or "none" for sizes in layers_of(config))
    return query if query == candidate else f"query {query}, candidate {candidate}"
