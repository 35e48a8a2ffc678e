"""Accuracy on warm and cold rows, on repeats and on new pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sweeper.report.rendering.page import Block, Table, Text
from sweeper.results.formatting import metric_label, number
from sweeper.results.scored_rows import Segment

WORDS = {
    "warm": "warm user and candidate",
    "cold_user": "cold user",
    "cold_item": "cold candidate",
}
REPETITION = {"repeat": "repeat: the user has the candidate already", "new": "new pair"}
ALREADY = {"training": "in a training row", "before": "in any row before this one"}
NOTE = (
    "Cold: in no training row. Cold users, and cold candidates, share one row of their id's "
    "table, so that only what else is known of them (text, categories, numbers) tells them apart; "
    "of candidates that score alike each counts against the others."
)


def repetition_block(parts: Mapping[str, Sequence[Segment]], rows: str, seen: str) -> Block | None:
    """A table of repeats and new pairs; a sentence if there are no repeats; None if unknown.

    Args:
      parts: by metric, unfiltered first, for the same rows.
      rows: which rows, in words.
      seen: what the user has already, see `sweeper.two_tower.config.seen_reading`.
    """
    first = next(iter(parts.values()))
    if not first:
        return None
    if [part.name for part in first] == ["new"]:
        return Text(
            f"None of {rows} ({first[0].rows:,}) is a repeat: no user has the row's candidate "
            f"{ALREADY[seen]}."
        )
    names, lines = _lines(parts, REPETITION)
    return Table(
        ["user and candidate", "rows", "share", "accuracy", *names],
        lines,
        title=f"Repeats and new pairs of {rows}",
        note=f"Already: {ALREADY[seen]}. Seen-filtered, a repeat is a miss, as a list without what "
        "the user has never shows it.",
    )


def cold_start_block(groups: Mapping[str, Sequence[Segment]], rows: str) -> Block:
    """A table of warm and cold rows; a sentence if no row is cold.

    Args:
      groups: by metric, unfiltered first, for the same rows.
      rows: which rows, in words.
    """
    first = next(iter(groups.values()))
    if [group.name for group in first] == ["warm"]:
        total = first[0].rows
        return Text(
            f"None of {rows} ({total:,}) is cold: each has a user and a candidate that training "
            "rows have."
        )
    names, lines = _lines(groups, WORDS)
    both = sum(group.rows for group in first) > round(first[0].rows / first[0].share)
    overlap = " A row of both counts in both parts." if both else ""
    return Table(
        ["user and candidate", "rows", "share", "accuracy", *names],
        lines,
        title=f"Warm and cold rows of {rows}",
        note=f"{NOTE}{overlap}",
    )


def _lines(
    parts: Mapping[str, Sequence[Segment]], words: Mapping[str, str]
) -> tuple[list[str], list[list[str]]]:
    """The names of the accuracies, and the cells: for each part a line for each metric."""
    first = next(iter(parts.values()))
    names = list(first[0].accuracies)
    lines = []
    for index, part in enumerate(first):
        head = [words[part.name], f"{part.rows:,}", f"{100 * part.share:.1f} %"]
        for metric, each in parts.items():
            figures = [number(each[index].accuracies[name]) for name in names]
            lines.append([*head, metric_label(metric), *figures])
            head = ["", "", ""]
    return names, lines
