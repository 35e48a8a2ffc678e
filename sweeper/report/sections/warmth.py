"""Warm and cold rows in a report: how users and candidates unseen in training are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sweeper.config import SEEN_FILTERED
from sweeper.report.evidence.row_groups import WarmthGroup
from sweeper.report.rendering.page import Block, Table, Text
from sweeper.report.rendering.words import metric_words, number

WORDS = {
    "warm": "warm user and candidate",
    "cold_user": "cold user",
    "cold_item": "cold candidate",
}
NOTE = (
    "Cold: in no training row. Cold users, and cold candidates, share one row of their id's "
    "table, so that only what else is known of them (text, categories, numbers) tells them apart; "
    "of candidates that score alike each counts against the others."
)


def both_metrics(metric: str) -> tuple[str, str]:
    """The metric unfiltered and seen-filtered, of the same k."""
    bare = metric.removeprefix(SEEN_FILTERED)
    return bare, f"{SEEN_FILTERED}{bare}"


def warmth_block(groups: Mapping[str, Sequence[WarmthGroup]], rows: str) -> Block:
    """The table of warm and cold rows; a sentence where none is cold.

    Args:
      groups: by metric, unfiltered first, those of the same rows.
      rows: which rows, in words.
    """
    first = next(iter(groups.values()))
    if [group.part for group in first] == ["warm"]:
        total = first[0].rows
        return Text(
            f"None of {rows} ({total:,}) is cold: each has a user and a candidate that training "
            "rows have."
        )
    names = list(first[0].accuracies)
    lines = []
    for index, group in enumerate(first):
        head = [WORDS[group.part], f"{group.rows:,}", f"{100 * group.share:.1f} %"]
        for metric, each in groups.items():
            figures = [number(each[index].accuracies[name]) for name in names]
            lines.append([*head, metric_words(metric), *figures])
            head = ["", "", ""]
    both = sum(group.rows for group in first) > round(first[0].rows / first[0].share)
    overlap = " A row of both counts in both parts." if both else ""
    return Table(
        ["user and candidate", "rows", "share", "accuracy", *names],
        lines,
        title=f"Warm and cold rows of {rows}",
        note=f"{NOTE}{overlap}",
    )
