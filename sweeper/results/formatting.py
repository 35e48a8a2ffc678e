"""Formats numbers and names for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sweeper.study.outputs.number_formats import number_text
from sweeper.two_tower.config import SEEN_FILTERED, UNFILTERED_METRICS, baseline_name, metric_name
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SEEN, seen_by

METRICS = {
    "num_parameters": "parameters",
    "milliseconds_per_query": "milliseconds a query",
    "train_seconds": "seconds of training",
}
NOTHING_BEATEN = (
    "a list of the most popular candidates, the same for everybody, is as good or better"
)


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def metric_label(metric: str) -> str:
    """ "top-100 accuracy", "seen-filtered NDCG@10", "parameters"."""
    bare = metric.removeprefix(SEEN_FILTERED)
    if bare.startswith("top_"):
        return f"{metric_name(metric)} accuracy"
    return metric_name(metric) if bare in UNFILTERED_METRICS else METRICS.get(metric, metric)


def seen_note(metric: str, record: TrialRecord | None) -> str:
    """States what a seen-filtered metric leaves out in a record; "" for any other metric."""
    if record is None or not metric.startswith(SEEN_FILTERED):
        return ""
    return f"Seen-filtered: without {SEEN[seen_by(record.config)]}."


def baseline_words(name: str) -> str:
    """ "EASE", "co-visitation", "EASE last 10"; a path of the user's own as it is."""
    return baseline_name(name)


def count(number: int, noun: str) -> str:
    """ "1 trial", "1,200 trials"; `noun` is in the singular."""
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def share(part: float, whole: float) -> str:
    """ "37 %", "<1 %", or a dash if the whole is zero."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    return "<1 %" if 0 < percent < 0.5 else f"{percent:.0f} %"


def duration(seconds: float) -> str:
    """ "0.4 s", "48 s", "5 min 40 s", "1 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def number(value: float | None) -> str:
    """Formats a value for a table; None is a dash."""
    return "–" if value is None else number_text(value)


def interval_text(interval: tuple[float, float] | None) -> str:
    """ "0.4401 to 0.4512", or a dash for None."""
    return " to ".join(map(number, interval)) if interval else "–"


def signed(value: float) -> str:
    """A difference: "+0.0123", "−0.0003", with four digits if it is below 1."""
    size = f"{abs(value):.4f}" if abs(value) < 1 else number_text(abs(value))
    return f"{'+' if value >= 0 else '−'}{size}"


def join_names(names: Iterable[str]) -> str:
    """ "a", "a and b" or "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def join_code(names: Iterable[str]) -> str:
    return join_names(f"`{name}`" for name in names)


def value_text(value: Any) -> str:
    """Formats a value of the configuration on one line."""
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return "null" if value is None else str(value)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Makes a table in Markdown; cells must not contain its special characters."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
