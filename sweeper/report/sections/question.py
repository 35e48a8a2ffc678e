"""What a study asked, and by which rules it was answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sweeper.report.rendering.page import Block, Section, Table, Text
from sweeper.results.confirmation_loading import has_confirmation
from sweeper.results.formatting import (
    METRICS,
    count,
    join_code,
    join_names,
    metric_label,
    value_text,
)
from sweeper.results.importance import is_seed
from sweeper.results.study_results import StudyResults
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import parameter_names
from sweeper.study.outputs.reading import STATES
from sweeper.two_tower.config import baseline_name
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SEEN, data_lines, sampled_words, seen_by

# Of the test rows, where a study was confirmed.
BY_CONFIRMATION = "are scored by the confirmation alone"


def question_section(results: StudyResults) -> Section:
    return Section("question", "The question", list(_question(results)))


def _question(results: StudyResults) -> Iterator[Block]:
    yield Text(question_text(results), "lead")
    if results.study is None:
        yield Text("This is a single run: one configuration, and nothing was searched.")
        return
    names = parameter_names(results.rows)
    yield Text(
        f"The study `{results.name}` {'varied' if names else 'tried'} "
        f"{count(len(names), 'parameter') + ' in ' if names else ''}"
        f"{count(len(results.rows), 'trial')}: {states_text(results)}."
    )
    space: dict[str, Any] = results.study.user_attrs.get(attributes.SPACE) or {}
    rows = [row for name, domain in space.items() for row in _space_rows(name, domain)]
    if rows:
        # Short of conditions, no column for them.
        width = 3 if any(row[2] for row in rows) else 2
        columns = ["parameter", "values", "only with"][:width]
        yield Table(columns, [row[:width] for row in rows], "What was searched")


def question_text(results: StudyResults) -> str:
    if results.study is not None and attributes.CONFIGS in results.study.user_attrs:
        return (
            f"How good are the chosen configurations on {results.evaluation_split} rows, with "
            "seeds that chose nothing?"
        )
    of_rows = f" on {results.evaluation_split} rows" if results.record else ""
    first, *others = results.objectives
    if others:
        parts = [_wish(objective) for objective in results.objectives]
        return f"Which configurations are the best compromise between {join_names(parts)}{of_rows}?"
    if results.study is None:
        return f"How good is this configuration, by {metric_label(first.metric)}{of_rows}?"
    end = "highest" if results.is_maximized else "lowest"
    return f"Which configuration has the {end} {metric_label(first.metric)}{of_rows}?"


def _wish(objective: ObjectiveConfig) -> str:
    is_counted = objective.metric in METRICS
    much, little = ("many", "few") if is_counted else ("high", "low")
    wanted = much if objective.direction == "maximize" else little
    return f"{wanted} {metric_label(objective.metric)}"


def states_text(results: StudyResults) -> str:
    """ "13 complete, 87 pruned"."""
    counts = Counter(row.state for row in results.rows)
    return ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state])


def _space_rows(name: str, domain: dict[str, Any]) -> Iterator[list[str]]:
    """A parameter of the space: its name, its values, and on what it depends."""
    conditions = domain.get("when") or {}
    when = "; ".join(
        f"{parent} {', '.join(map(value_text, allowed))}" for parent, allowed in conditions.items()
    )
    shown = name if domain.get("sets") in (None, name) else f"{name} ({domain['sets']})"
    if "towers" not in domain:
        yield [shown, _values_text(domain), when]
        return
    towers = domain["towers"]
    for part in ("depth", "width"):
        yield [f"{shown}: {part}", _values_text(towers[part]), when]
    yield [f"{shown}: shape", ", ".join(towers["shape"]), when]


def _values_text(domain: dict[str, Any]) -> str:
    if "choices" in domain:
        return ", ".join(map(value_text, domain["choices"]))
    text = f"{value_text(domain['low'])} to {value_text(domain['high'])}"
    if domain.get("step") is not None:
        return f"{text} in steps of {value_text(domain['step'])}"
    return f"{text}, logarithmic" if domain.get("log") else text


def protocol_section(results: StudyResults) -> Section | None:
    """How the figures came about; None without any record."""
    record = results.record
    if record is None:
        return None
    rows = [list(row) for row in protocol_rows(results, record)]
    blocks: list[Block] = [Table(["part", "as it was done"], rows)]
    different = [
        name
        for name in parameter_names(results.rows)
        if name.startswith("data") and not is_seed(name)
    ]
    if different:
        blocks.append(
            Text(
                f"The trials differ in {join_code(different)}: figures on different rows can't "
                "be ranked against each other.",
                "note",
            )
        )
    return Section("protocol", "The protocol", blocks)


def protocol_rows(results: StudyResults, record: TrialRecord) -> Iterator[tuple[str, str]]:
    """(part, how it was done), of data, split, training, seeds, score and baselines."""
    if record.data:
        unscored = {"unscored": BY_CONFIRMATION} if has_confirmation(results.directory) else {}
        yield from data_lines(record, _split_seeds(results, record), **unscored)
    train, evaluation = record.config["train"], record.config["evaluation"]
    kept = (
        "the best evaluation's weights are kept" if train["restore_best"] else "the last are kept"
    )
    half = "" if train["precision"] == "float32" else f", dense layers in {train['precision']}"
    yield (
        "training",
        f"{count(train['epochs'], 'epoch')} in batches of {train['batch_size']:,} rows, evaluated "
        f"every {count(min(train['eval_every_epochs'], train['epochs']), 'epoch')}{half}; {kept}",
    )
    yield "seeds", _seeds_text(results, record)
    words = sampled_words(record.config)
    yield (
        "score",
        "top-k accuracy: the share of rows whose own candidate is among the first k of "
        + ("all candidates" if not words else "those it competes with")
        + "; a tie counts as a miss. NDCG@k is 1 / log2(rank + 1) of these rows, the first rank "
        "being 1; MRR is 1 / rank, over all rows. Seen-filtered: "
        f"{SEEN[seen_by(record.config)]} is never shown"
        + (", so that a row of such a candidate is a miss" if record.by_repetition else ""),
    )
    names = dict.fromkeys(("popularity", *evaluation["baselines"]))
    yield "baselines", join_names(map(baseline_name, names)) + ", fitted on the same training rows"


def _split_seeds(results: StudyResults, record: TrialRecord) -> list[int]:
    """Of the repeats, or of the trials that differ in them; empty where there is one."""
    varied = {
        row.params["data.split_seed"] for row in results.rows if "data.split_seed" in row.params
    }
    return [repeat["split_seed"] for repeat in record.repeats] or sorted(varied)


def _seeds_text(results: StudyResults, record: TrialRecord) -> str:
    seeds = [str(repeat["split_seed"]) for repeat in record.repeats]
    text = f"training seed {record.config['train']['seed']}"
    if seeds:
        text += f"; each trial on the split seeds {join_names(seeds)}, its figure is their mean"
    varied = [name for name in parameter_names(results.rows) if is_seed(name)]
    return f"{text}; the trials differ in {join_names(varied)}" if varied else text
