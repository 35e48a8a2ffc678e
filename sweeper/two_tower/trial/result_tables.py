"""What a trial shows of its data, its model and its results, on a terminal or in a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from sweeper.two_tower.config import (
    MRR,
    SEEN_FILTERED,
    TOP_K,
    baseline_name,
    metric_name,
    seen_reading,
)
from sweeper.two_tower.evaluation.row_parts import HISTORY_LENGTH, TIME_SINCE_TRAINING, Parts
from sweeper.two_tower.record import Metrics, TrialRecord

COLD_START = {
    "warm": "warm rows",
    "cold_user": "rows of cold users",
    "cold_item": "rows of cold candidates",
}
# What seen-filtered figures leave out, by `sweeper.two_tower.config.seen_reading`.
SEEN = {
    "training": "what the user has in the training rows",
    "before": "what the user had before the row",
}
# The candidates that are left, in a cell of a table.
WITHOUT_SEEN = {
    "training": "without those of the user's training rows",
    "before": "without those the user had before",
}
HAS_SEEN = {"training": "has in a training row", "before": "had before"}
# What the result table shows of all metrics, which trial.json has.
SHOWN_METRICS = (*(f"top_{k}" for k in TOP_K), "ndcg_10", MRR)


def data_lines(
    record: TrialRecord, split_seeds: Sequence[int] = (), unscored: str = "stay unseen"
) -> Iterator[tuple[str, str]]:
    """(topic, text): where the data came from, its parts, and what is scored when.

    Args:
      split_seeds: those of several trials, or repeats; else it is the record's.
      unscored: what is said of the test rows where the trial itself doesn't score them.
    """
    data, config = record.data, record.config
    yield (
        "data",
        f"{data['source']}: {data['interactions']:,} interactions, {data['users']:,} users, "
        f"{data['candidates']:,} candidates",
    )
    if dropped := data.get("dropped_rows"):
        read = data["interactions"] + sum(dropped.values())
        reasons = "; ".join(f"{number:,} {reason}" for reason, number in dropped.items())
        yield "dropped", f"{read - data['interactions']:,} of {read:,} rows read: {reasons}"
    if data.get("is_weighted"):
        column = config["data"]["columns"]["weight"]
        yield "weights", f"a training row counts its {column!r} in the loss; scores weigh nothing"
    split = config["data"]["split"]
    cold_start = data.get("cold_start")
    seed = f", seed {config['data']['split_seed']}" if split == "random" or cold_start else ""
    if split_seeds:
        seed = f", seeds {', '.join(map(str, split_seeds))}"
    if cut := config["data"].get("cut"):
        seed += f", cut {cut} (0 is the latest)"
    parts = ", ".join(f"{number:,} {name}" for name, number in data["rows"].items())
    unused = f"; {data['unused_rows']:,} rows are in no part" if data["unused_rows"] else ""
    if cold_start:
        unused += (
            f", of which {cold_start['rows']:,} are training rows of {cold_start['items']:,} "
            "cold-start items"
        )
    yield "split", f"{split}{seed}: {parts}{unused}"
    for text in data.get("ties", ()):
        yield "ties", text
    train = config["train"]
    if not config["evaluation"]["score_test"]:
        yield "protocol", f"chooses on validation rows; the test rows {unscored}"
    elif config["evaluation"]["split"] == "validation":
        yield "protocol", "chooses on validation rows; scores the test rows once, at the end"
    elif train["eval_every_epochs"] >= train["epochs"]:
        yield "protocol", "chooses nothing; scores the test rows once, after the last epoch"
    else:
        yield (
            "protocol",
            "evaluates on the TEST rows during training, as the published figures did; make no "
            "choice between models on these",
        )
    if words := sampled_words(config):
        yield "sampled", words


def sampled_words(config: Mapping[str, Any]) -> str:
    """What figures are of that a sample of the catalogue competed for; else ""."""
    number = config["evaluation"].get("sampled_candidates")
    if number is None:
        return ""
    return f"each ranked among {number:,} sampled candidates: not to be compared with others"


def seen_by(config: Mapping[str, Any]) -> str:
    """What the seen-filtered figures of a record leave out: "training" or "before"."""
    # Before there was a choice, it was what the training rows hold.
    seen = config["evaluation"].get("seen", "training")
    # A record that was changed by hand may lack its split.
    return seen_reading(config.get("data", {}).get("split", "random"), seen)


def model_table(layers: list[tuple[str, str, int, int]]) -> Table:
    """The model as a table of (tower, layer, output width, parameters)."""
    table = Table(title="Model", title_justify="left", box=None, pad_edge=False)
    table.add_column("tower")
    table.add_column("layer")
    table.add_column("output width", justify="right")
    table.add_column("parameters", justify="right")
    previous = None
    for tower, layer, width, parameters in layers:
        table.add_row(tower if tower != previous else "", layer, str(width), f"{parameters:,}")
        previous = tower
    total = sum(parameters for *_, parameters in layers)
    table.add_row("", "total", "", f"{total:,}", style="bold")
    return table


def result_table(record: TrialRecord, rows: str) -> Table:
    """The metrics on `rows`: this model beside the baselines, and the best possible if known."""
    title = f"Metrics on {record.data['rows'][rows]:,} {rows} rows"
    if words := sampled_words(record.config):
        title += f", {words}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("candidates")
    for name in SHOWN_METRICS:
        table.add_column(metric_name(name), justify="right")
    if record.repeats:
        scored = {f"this model, mean of {len(record.repeats)} splits": record.metrics[rows]}
        if record.deviations:
            scored["standard deviation"] = record.deviations[rows]
    else:
        scored = {f"this model, epoch {record.best_epoch}": record.metrics[rows]}
    for name, parts in record.baselines.items():
        scored[baseline_name(name)] = parts[rows]
    if rows in (best := record.data.get("best_possible", {})):
        scored["best possible, on average"] = best[rows]
    for prefix, words in (("", "unfiltered"), (SEEN_FILTERED, "seen-filtered")):
        for index, (scorer, metrics) in enumerate(scored.items()):
            table.add_row(
                scorer,
                words if index == 0 else "",
                *(f"{metrics[f'{prefix}{name}']:.4f}" for name in SHOWN_METRICS),
                style="bold" if index == 0 else None,
                end_section=index == len(scored) - 1,
            )
    return table


def parts_table(record: TrialRecord, rows: str) -> Table | None:
    """The trial's metric by length of history and by age of the training, on `rows`.

    This model beside the best baseline. None under the random split, and where no ranks are kept.
    """
    metric, scorers = record.config["evaluation"]["metric"], {"model": "this model"}
    if record.config["data"]["split"] == "random":
        return None
    scores = {name: each[rows][metric] for name, each in record.baselines.items() if rows in each}
    if scores:
        best = max(scores, key=scores.__getitem__)
        scorers[best] = baseline_name(best)
    lines = [
        *_part_lines(record.by_history_length, HISTORY_LENGTH, rows, metric, scorers),
        *_part_lines(record.by_time_since_training, TIME_SINCE_TRAINING, rows, metric, scorers),
    ]
    if not lines:
        return None
    title = f"{metric_name(metric)} on parts of the {rows} rows"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for name in ("rows", *scorers.values()):
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(*line)
    return table


def _part_lines(
    found: Mapping[str, Mapping[str, Mapping[str, Metrics]]],
    parts: Parts,
    rows: str,
    metric: str,
    scorers: Iterable[str],
) -> Iterator[list[str]]:
    """Of each part its words, the number of its rows, and each scorer's metric."""
    if not all(rows in found.get(name, {}) for name in scorers):
        return
    for part, metrics in found["model"][rows].items():
        values = [f"{found[name][rows][part][metric]:.4f}" for name in scorers]
        yield [parts.words[part], _number(metrics["rows"]), *values]


def result_lines(record: TrialRecord, rows: str) -> Iterator[tuple[str, str]]:
    """(topic, text): how parts of the rows were answered, to stand below the result table."""
    yield "seen", f"seen-filtered figures leave out {SEEN[seen_by(record.config)]}"
    yield from _repetition_lines(record, rows)
    yield from _cold_start_lines(record, rows)


def _repetition_lines(record: TrialRecord, rows: str) -> Iterator[tuple[str, str]]:
    """The share of repeat rows, and how these and the new pairs were answered."""
    parts = record.by_repetition.get(rows)
    if not parts:
        return
    total = sum(part["rows"] for part in parts.values())
    has = HAS_SEEN[seen_by(record.config)]
    if "repeat" not in parts:
        yield "repeats", f"no {rows} row has an item that its user {has}"
        return
    number = parts["repeat"]["rows"]
    bare = record.config["evaluation"]["metric"].removeprefix(SEEN_FILTERED)
    filtered, words = f"{SEEN_FILTERED}{bare}", metric_name(bare)
    new = parts.get("new")
    on_new = f", {new[bare]:.4f} on new pairs (seen-filtered: {new[filtered]:.4f})" if new else ""
    yield (
        "repeats",
        f"{_number(number)} of {_number(total)} {rows} rows ({100 * number / total:.1f} %) have an "
        f"item that their user {has}: misses when seen-filtered; {words} "
        f"{parts['repeat'][bare]:.4f} on these{on_new}",
    )


def _cold_start_lines(record: TrialRecord, rows: str) -> Iterator[tuple[str, str]]:
    """How warm and cold rows were answered, where their ranks were kept."""
    parts = record.by_cold_start.get(rows)
    if not parts:
        return
    metric = record.config["evaluation"]["metric"]
    if list(parts) == ["warm"]:
        yield "cold", f"no {rows} row has a user or a candidate that is in no training row"
        return
    texts = [
        f"{figures[metric]:.4f} on {_number(figures['rows'])} {COLD_START[part]}"
        for part, figures in parts.items()
    ]
    yield "cold", f"{metric_name(metric)} {', '.join(texts)} (in no training row)"


def _number(rows: float) -> str:
    """Of rows; the mean of several splits may be below one."""
    return f"{rows:,.0f}" if rows >= 10 or rows.is_integer() else f"{rows:.2g}"
