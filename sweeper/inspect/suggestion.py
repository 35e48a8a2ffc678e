"""Suggests features, a task and a metric to begin with, from a data set's profile."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from sweeper.inspect.columns import ColumnProfile
from sweeper.inspect.profile import DataProfile
from sweeper.two_tower.data.column_names import (
    ID_NAME,
    NAMELESS,
    RATING_NAMES,
    is_row_number_name,
    plain,
)
from sweeper.two_tower.evaluation.metrics import MIN_ITEMS_PER_K, default_metric
from sweeper.two_tower.model.fitting import DEFAULT_BOUNDARIES, DEFAULT_TOKENS, MAX_HISTORY

EMBEDDING_DIM = 32
MIN_DIM = 4
NUMBER_BOUNDARIES, NUMBER_DIM = 10, 8
# Texts of several words with more distinct values than this are split into words.
FEW_VALUES = 100
SEVERAL_WORDS = 2.0
# Up to this size a softmax over the whole catalogue costs little more than over a batch.
FULL_SOFTMAX_CATALOGUE = 10_000

# Up to this many whole numbers, such as ages or years, can all be different by chance.
FEW_BY_CHANCE = 20

PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
FILE = "mine"
HEAD = f"""\
# Save as DIRECTORY/features/{FILE}.yaml; then --config-dir DIRECTORY features={FILE}
"""
LEFT_OUT = "# Left out:"
SEQUENCE_NOTE = "The items that the user chose before, also known of users without a training row."
TIME_NOTES = {
    "random": "Under a random split a row's time reveals its session, which training rows share: "
    "metrics with it are too good.",
    "leave_last_out": "In production, a query is later than all of these times.",
}


@dataclass(frozen=True)
class Suggestion:
    """What to begin with.

    Attributes:
      features: the content of a file of `conf/features`.
      task: a name of `conf/task`.
      why: the reason for the task.
      metric: a value of `evaluation.metric`.
      why_metric: the reason for the metric.
    """

    features: str
    task: str
    why: str
    metric: str
    why_metric: str


def suggest(profile: DataProfile, split: str) -> Suggestion:
    """Suggests features, a task and a metric.

    Args:
      split: `data.split`, which decides whether a time is a feature.
    """
    items = profile.items
    if items <= FULL_SOFTMAX_CATALOGUE:
        task, why = "full_softmax", f"{items:,} items: the whole catalogue fits into each step"
    else:
        task, why = (
            "corrected_softmax",
            (f"{items:,} items: more than the {FULL_SOFTMAX_CATALOGUE:,} that fit into each step"),
        )
    metric = default_metric(items)
    why_metric = f"{items:,} items: the largest k that is at most a fifth of the catalogue"
    if items < MIN_ITEMS_PER_K:
        why_metric = f"{items:,} items: the smallest k, as each is above a fifth of the catalogue"
    return Suggestion(features_yaml(profile, split), task, why, metric, why_metric)


def knows_users_by_id(profile: DataProfile, split: str) -> bool:
    """Tells whether the user's id is among the suggested features.

    After a cut in time many rows are of new or returning users. What they chose before is known of
    all of them, but an id only helps with users who have training rows.
    """
    return profile.first is None or split != "temporal"


def features_yaml(profile: DataProfile, split: str, user_id: bool | None = None) -> str:
    """Returns a file for `conf/features`, with comments on what was left out and why.

    Args:
      user_id: whether the user's id is a feature; None for the value of `knows_users_by_id`.
    """
    user_id = knows_users_by_id(profile, split) if user_id is None else user_id
    lines, left_out = [f"embedding_dim: {EMBEDDING_DIM}"], []
    for tower in ("query", "candidate"):
        lines.append(f"{tower}:")
        if tower == "query" and profile.first is not None:
            lines.append(f"  # {SEQUENCE_NOTE}")
            lines.append(f"  - {_flow({'column': _name_of('item', profile), 'kind': 'sequence'})}")
        for column in profile.columns:
            if column.tower != tower:
                continue
            reason = why_not(column, profile, split)
            if column.role == "user" and not user_id:
                reason = _why_no_user_id(column, profile)
            if reason:
                left_out.append(f"{LEFT_OUT} {in_comment(column.name)}, {reason}.")
                continue
            if column.role == "time":
                lines.append(f"  # {TIME_NOTES[split]}")
            lines += [f"  - {_flow(feature)}" for feature in features_of(column)]
        fits = (profile.users + 1) * profile.items <= MAX_HISTORY
        # With times, the sequence has the same information.
        if tower == "query" and profile.first is None and fits:
            lines.append(f"  - {_flow({'column': _name_of('user', profile), 'kind': 'history'})}")
    return HEAD + "\n".join([*lines, *left_out]) + "\n"


def _name_of(role: str, profile: DataProfile) -> str:
    return next(each.name for each in profile.columns if each.role == role)


def _why_no_user_id(column: ColumnProfile, profile: DataProfile) -> str:
    test = profile.parts["test"]
    return (
        f"the user's id: {test.cold_user:,} of {test.rows:,} test rows are of users without a "
        "training row, whom it can't tell apart; add "
        f"{in_comment(_flow({'column': column.name, 'kind': 'embedding'}))} to try it"
    )


def why_not(column: ColumnProfile, profile: DataProfile, split: str) -> str:
    """Returns why a column is not a feature; "" if it is one."""
    if column.role in ("rating", "weight"):
        return f"the {column.role}: it is known only once the row is"
    if column.role in ("user", "item"):
        return ""
    if column.distinct <= 1:
        return "one value for all" if column.distinct else "no value at all"
    if column.holds == "numbers" and column.missing:
        return f"{column.missing:,} numbers are missing"
    if column.role == "time":
        late = "the time: held-out rows are later than all that it is fitted on"
        return late if split == "temporal" else ""
    if _is_row_number(column, profile):
        return "the row's number, which tells nothing of the row"
    if not column.name:
        return "which a feature can't take without a name"
    return _why_no_feature_of_rows(column, profile) or _why_an_id(column, profile)


def _is_row_number(column: ColumnProfile, profile: DataProfile) -> bool:
    """Tells whether a column numbers the rows, by its name or by its values."""
    if column.holds != "numbers" or not column.whole:
        return False
    if is_row_number_name(column.name):
        return True
    if column.tower == "candidate" or column.low is None or column.high is None:
        return False
    # Dropped rows leave gaps.
    counts_up = column.is_ascending and column.distinct == profile.rows
    return counts_up and column.low >= 0 and column.high <= profile.rows_read


def _why_no_feature_of_rows(column: ColumnProfile, profile: DataProfile) -> str:
    """Returns why a column of the rows isn't known in a query, or can't help."""
    if column.tower != "query":
        return ""
    if plain(column.name) in RATING_NAMES and column.holds == "numbers":
        return "a rating by its name, known only once the row is: data.columns.rating can name it"
    if "item" in column.constant_for and "user" not in column.constant_for:
        return (
            "one value for each item: it tells the item that is to be found; a table of items "
            "(data.items) can have it"
        )
    numbers = column.holds == "numbers"
    if numbers and column.whole and column.distinct == profile.rows:
        return "another number in each row"
    if column.follows_time and column.distinct > FEW_BY_CHANCE:
        return "numbers that rise or fall with the time of the row, as a counter of orders does"
    if _is_text(column) and column.distinct > profile.rows / 2:
        return f"{column.distinct:,} texts in {profile.rows:,} rows: nearly one for each row"
    return ""


def _why_an_id(column: ColumnProfile, profile: DataProfile) -> str:
    """Returns why a column identifies users, items or something else instead of describing them."""
    owner, owners = ("user", profile.users) if column.tower == "query" else ("item", profile.items)
    nearly = f"{column.distinct:,} values for {owners:,} {owner}s: nearly an id"
    if column.holds == "words":
        return nearly if not _is_text(column) and column.distinct > owners / 2 else ""
    if column.holds != "numbers" or not column.whole:
        return ""
    if ID_NAME.search(column.name):
        return "whole numbers that are an id by their name: their size means nothing"
    if column.tower == "query" and "user" not in column.constant_for:
        return ""
    if column.distinct != owners or column.low is None or column.high is None:
        return ""
    is_counting = column.low in (0, 1) and column.high - column.low + 1 == column.distinct
    return nearly if is_counting or column.distinct > FEW_BY_CHANCE else ""


def _is_text(column: ColumnProfile) -> bool:
    several = column.words is not None and column.words >= SEVERAL_WORDS
    return several and column.distinct > FEW_VALUES


def features_of(column: ColumnProfile) -> Iterator[dict[str, Any]]:
    """Yields the features of one column, as in YAML."""
    if column.holds == "numbers":
        is_time = column.role == "time"
        if column.distinct > 2:
            width = {} if is_time else {"dim": NUMBER_DIM}
            boundaries = DEFAULT_BOUNDARIES if is_time else NUMBER_BOUNDARIES
            yield {"column": column.name, "kind": "buckets", "num_boundaries": boundaries} | width
        yield {"column": column.name, "kind": "normalized"}
        return
    if column.role in ("user", "item"):
        yield {"column": column.name, "kind": "embedding"}
    elif not _is_text(column):
        yield {"column": column.name, "kind": "embedding", "dim": embedding_width(column.distinct)}
    if _is_text(column):
        yield {"column": column.name, "kind": "text", "max_tokens": DEFAULT_TOKENS}


def embedding_width(distinct: int) -> int:
    """Returns the power of two at or above the square root of the number of values, 4 to 32."""
    power = 2 ** math.ceil(math.log2(math.sqrt(distinct)))
    return min(max(power, MIN_DIM), EMBEDDING_DIM)


def _flow(feature: dict[str, Any]) -> str:
    """Writes a feature as YAML in one line."""
    given = feature | {"column": as_yaml(feature["column"])}
    return f"{{{', '.join(f'{key}: {value}' for key, value in given.items())}}}"


def in_comment(name: str) -> str:
    """Returns a column's name for a YAML comment, in one line."""
    return "".join(letter if letter.isprintable() else " " for letter in name) or NAMELESS


def as_yaml(text: str) -> str:
    """Writes a text as YAML in one line, in quotes if it could be read as something else."""
    # OmegaConf reads `${` as a reference, unless a backslash precedes it.
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    if PLAIN_NAME.fullmatch(text) and isinstance(yaml.safe_load(text), str):
        return text
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return str(quoted).strip()
