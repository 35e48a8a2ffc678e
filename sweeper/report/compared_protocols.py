"""Whether the figures of several studies and runs may be compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sweeper.config import flat
from sweeper.report.importance import is_seed
from sweeper.report.page import Table
from sweeper.report.standing import Standing
from sweeper.report.words import listed, value_text
from sweeper.study.leaderboard import parameter_names

# Of the configuration, what decides which rows a figure is of.
DATA, ROWS = "data.", "evaluation.rows"
# Where the data lay is no matter, only what they are; a run's name is none either.
NO_MATTER = ("data.source", "data.cache_dir", "name")
SYNTHETIC, MADE_UP = "data.synthetic.", "synthetic"
SPLIT_SEEDS, FINGERPRINT = "study.split_seeds", "the data's fingerprint"


def protocol_problems(standings: Sequence[Standing]) -> list[str]:
    """In one line, where the protocols differ; empty: the figures may be compared."""
    known = [standing for standing in standings if standing.record is not None]
    places = [str(standing.subject.directory) for standing in known]
    parts = [
        f"{key} ({_by_value(places, values)})" for key, values in differences(known, decisive=True)
    ]
    if not parts:
        return []
    return [
        f"the protocols differ in {'; '.join(parts)}: figures on different rows can't be ranked; "
        "all must have the same data, split and split seeds"
    ]


def _by_value(places: Sequence[str], values: Sequence[str]) -> str:
    """ "temporal in a, random in b and c"."""
    return ", ".join(
        f"{value} in "
        + listed(place for place, own in zip(places, values, strict=True) if own == value)
        for value in dict.fromkeys(values)
    )


def differences(standings: Sequence[Standing], decisive: bool) -> Iterator[tuple[str, list[str]]]:
    """The keys in which the best trials differ, with the value of each.

    Args:
      decisive: the parts that decide which rows a figure is of; else all others.
    """
    names = {s.record.config["data"]["name"] for s in standings if s.record is not None}
    flats = [_values(standing, made_up=names == {MADE_UP}) for standing in standings]
    keys = dict.fromkeys(key for each in flats for key in each)
    told = False
    for key in [key for key in keys if _is_decisive(key) == decisive]:
        values = [each.get(key, "–") for each in flats]
        # Other data, as of another package, under the same name and split.
        if len(set(values)) > 1 and not (told and key == FINGERPRINT):
            told = True
            yield key, values


def _is_decisive(key: str) -> bool:
    return key.startswith(DATA) or key in (ROWS, SPLIT_SEEDS, FINGERPRINT)


def _values(standing: Standing, made_up: bool) -> dict[str, str]:
    record = standing.record
    assert record is not None
    keys: dict[str, Any] = {
        key: value
        for key, value in flat(record.config).items()
        if key not in NO_MATTER and not key.startswith(SYNTHETIC)
    }
    if made_up:
        made = record.config["data"]["synthetic"].items()
        keys["data.synthetic"] = ", ".join(f"{name} {value}" for name, value in made)
    # A grid over seeds is all of them, whichever the best trial has.
    for name in filter(is_seed, parameter_names(standing.subject.rows)):
        keys[name] = sorted({row.params[name] for row in standing.subject.rows if row.params})
    keys[SPLIT_SEEDS] = [repeat["split_seed"] for repeat in record.repeats]
    keys[FINGERPRINT] = record.data.get("fingerprint", "–")[:12]
    return {key: value_text(value) for key, value in keys.items()}


def difference_table(standings: Sequence[Standing], decisive: bool, title: str) -> Table | None:
    """The keys in which the best trials differ; None where in none."""
    known = [standing for standing in standings if standing.record is not None]
    rows = [[key, *values] for key, values in differences(known, decisive)]
    if not rows:
        return None
    return Table(["key", *(standing.label for standing in known)], rows, title)
