"""Features and a task to begin with, from what the columns hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from sweeper.inspect.columns import ColumnFacts
from sweeper.inspect.facts import Facts
from sweeper.model.fitting import DEFAULT_BOUNDARIES, DEFAULT_TOKENS, LARGEST_HISTORY

EMBEDDING_DIM = 32
SMALLEST_DIM = 4
NUMBER_BOUNDARIES, NUMBER_DIM = 10, 8
# Texts of several words, of more values than this, are taken apart into their words.
FEW_VALUES = 100
SEVERAL_WORDS = 2.0
# Up to here a softmax over the whole catalogue costs little more than one over a batch.
FULL_SOFTMAX_CATALOGUE = 10_000

PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)

FILE = "mine"
HEAD = f"""\
# Save as DIRECTORY/features/{FILE}.yaml; then --config-dir DIRECTORY features={FILE}
"""
TIME_NOTES = {
    "random": "Under a random split a row's time tells its session, which training rows share: "
    "figures with it are too good.",
    "leave_last_out": "In use, a query is later than all of these.",
}


@dataclass(frozen=True)
class Suggestion:
    """What to begin with.

    Attributes:
      features: a file of `conf/features`.
      task: a name of `conf/task`, and why.
    """

    features: str
    task: str
    why: str


def suggest(facts: Facts, split: str) -> Suggestion:
    """The features and the task for these columns and this catalogue.

    Args:
      split: `data.split`, which decides what a time is worth.
    """
    items = facts.items
    if items <= FULL_SOFTMAX_CATALOGUE:
        task, why = "full_softmax", f"{items:,} items: the whole catalogue fits into each step"
    else:
        task, why = (
            "corrected_softmax",
            (f"{items:,} items: more than the {FULL_SOFTMAX_CATALOGUE:,} that fit into each step"),
        )
    return Suggestion(features_yaml(facts, split), task, why)


def features_yaml(facts: Facts, split: str) -> str:
    """A file for `conf/features`, with what was left out and why."""
    lines, left_out = [f"embedding_dim: {EMBEDDING_DIM}"], []
    for tower, owners in (("query", facts.users), ("candidate", facts.items)):
        lines.append(f"{tower}:")
        for column in facts.columns:
            if column.tower != tower:
                continue
            if reason := why_not(column, owners, split):
                left_out.append(f"# Left out: {in_comment(column.name)}, {reason}.")
                continue
            if column.role == "time":
                lines.append(f"  # {TIME_NOTES[split]}")
            lines += [f"  - {_flow(feature)}" for feature in features_of(column)]
        user = next(each.name for each in facts.columns if each.role == "user")
        if tower == "query" and (facts.users + 1) * facts.items <= LARGEST_HISTORY:
            lines.append(f"  - {_flow({'column': user, 'kind': 'history'})}")
    return HEAD + "\n".join([*lines, *left_out]) + "\n"


def why_not(column: ColumnFacts, owners: int, split: str) -> str:
    """Why a column is no feature; "" of one that is.

    Args:
      owners: the number of users, or of items.
    """
    if column.role in ("rating", "weight"):
        return f"the {column.role}: it is known only once the row is"
    if column.distinct <= 1 and column.role not in ("user", "item"):
        return "one value for all" if column.distinct else "no value at all"
    if column.holds == "numbers" and column.missing:
        return f"{column.missing:,} numbers are missing"
    if column.role == "time" and split == "temporal":
        return "the time: held-out rows are later than all that it is fitted on"
    if column.role == "" and _is_id(column, owners):
        owner = "user" if column.tower == "query" else "item"
        return f"{column.distinct:,} values for {owners:,} {owner}s: nearly an id"
    return ""


def _is_id(column: ColumnFacts, owners: int) -> bool:
    """Whether it names users, or items, rather than tells of them."""
    if column.holds == "numbers":
        return column.tower == "candidate" and column.whole and column.distinct == owners
    return column.holds == "words" and not _is_text(column) and column.distinct > owners / 2


def _is_text(column: ColumnFacts) -> bool:
    several = column.words is not None and column.words >= SEVERAL_WORDS
    return several and column.distinct > FEW_VALUES


def features_of(column: ColumnFacts) -> Iterator[dict[str, Any]]:
    """The features of one column, as YAML has them."""
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
    """The power of two from the square root of the number of values on, 4 to 32."""
    power = 2 ** math.ceil(math.log2(math.sqrt(distinct)))
    return min(max(power, SMALLEST_DIM), EMBEDDING_DIM)


def _flow(feature: dict[str, Any]) -> str:
    """On one line."""
    given = feature | {"column": _quoted(feature["column"])}
    return f"{{{', '.join(f'{key}: {value}' for key, value in given.items())}}}"


def _quoted(name: str) -> str:
    """The name as YAML, in quotes unless none can take it for anything else."""
    # OmegaConf takes `${` for a reference, unless a backslash stands before it.
    name = re.sub(r"(\\*)\$\{", r"\1\1\\${", name)
    if PLAIN_NAME.fullmatch(name) and isinstance(yaml.safe_load(name), str):
        return name
    text = yaml.safe_dump(name, default_style='"', allow_unicode=True, width=math.inf)
    return str(text).strip()


def in_comment(name: str) -> str:
    """A column's name as a comment of YAML can have it, in one line."""
    return "".join(letter if letter.isprintable() else " " for letter in name)
