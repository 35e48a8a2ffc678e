"""What a study's confirmation says: the figures on test rows, and whether the best is better."""

from __future__ import annotations

from collections.abc import Iterator

import plotly.graph_objects as go

from sweeper.report.evidence import METRICS, Evidence
from sweeper.report.page import Block, Figure, Section, Table, Text
from sweeper.report.palette import plot, series
from sweeper.report.statistics import ALIKE, Summary
from sweeper.report.subject import Subject
from sweeper.report.words import baseline_words, count, listed, metric_words, number, signed

TOP_100, SEEN_FILTERED = METRICS
KINDS = {False: "the study's own test rows", True: "fresh splits"}


def evidence_section(subject: Subject) -> Section | None:
    """The section of a study that was confirmed; None of another."""
    evidence = subject.evidence
    if evidence is None:
        return None
    blocks = list(_blocks(evidence, _searched(subject, evidence)))
    return Section("evidence", "Is it really better?", blocks)


def _searched(subject: Subject, evidence: Evidence) -> float | None:
    """The winner's figure in the search, on validation rows."""
    number_of_trial = evidence.winner.partition("_")[2]
    results = [row.result for row in subject.rows if str(row.number) == number_of_trial]
    return next(((result.get("metrics") or {}).get(TOP_100) for result in results), None)


def _blocks(evidence: Evidence, searched: float | None) -> Iterator[Block]:
    if not evidence.own and not evidence.fresh:
        yield Text("No seed of the confirmation is complete for every configuration.", "lead")
        return
    yield Text(confirmed_text(evidence), "lead")
    yield Text(_which_rows(evidence))
    yield _figures_table(evidence)
    if searched is not None:
        yield Text(_luck_text(evidence, searched))
    yield _figure(evidence)
    for fresh in (False, True):
        if table := _comparison_table(evidence, fresh):
            yield table
    yield from _ablation(evidence)


def name_words(name: str) -> str:
    """ "trial 17 without timestamp", "EASE"."""
    return name.replace("_", " ") if name.startswith("trial_") else baseline_words(name)


def confirmed_text(evidence: Evidence) -> str:
    """The answer in a sentence, by figures that the search had no part in."""
    fresh = not evidence.own
    summary = evidence.summary(evidence.winner, TOP_100, fresh)
    assert summary is not None
    compared = evidence.compared(TOP_100, fresh)
    better = [name_words(name) for name, each in compared.items() if each.verdict == "worse"]
    alike = [name_words(name) for name, each in compared.items() if each.verdict == ALIKE]
    ahead = [name_words(name) for name, each in compared.items() if each.verdict == "better"]
    text = (
        f"{name_words(evidence.winner).capitalize()} has **{number(summary.mean)} "
        f"{metric_words(TOP_100)}** on {KINDS[fresh]}{_interval_words(summary)}"
    )
    if better:
        text += f"; it is better than {listed(better)}"
    if alike:
        text += f"; it can't be told apart from {listed(alike)}"
    if ahead:
        text += f"; {listed(ahead)} {'is' if len(ahead) == 1 else 'are'} better"
    return f"{text}."


def _interval_words(summary: Summary) -> str:
    if summary.low is None:
        return ", one seed"
    return (
        f" (95 % interval {number(summary.low)} to {number(summary.high)}, "
        f"{count(summary.number, 'seed')})"
    )


def _which_rows(evidence: Evidence) -> str:
    texts = []
    if evidence.own:
        texts.append(
            "The study's own test rows were never touched by the search; each configuration was "
            f"trained on all other rows, with {count(len(evidence.own), 'fresh training seed')}"
        )
    if evidence.fresh:
        texts.append(
            f"the {count(len(evidence.fresh), 'fresh split')} show how far figures vary between "
            "splits; part of their test rows were training or validation rows of the search"
        )
    return ". ".join(text[0].upper() + text[1:] for text in texts) + "."


def _figures_table(evidence: Evidence) -> Table:
    columns = ["configuration"]
    cells: dict[str, list[str]] = {
        name: [name_words(name)] for name in [*evidence.names, *evidence.baselines]
    }
    for metric in METRICS:
        for fresh, rows in ((False, "own test rows"), (True, "fresh splits")):
            if not (evidence.fresh if fresh else evidence.own):
                continue
            columns.append(f"{metric_words(metric).removesuffix(' accuracy')}, {rows}")
            for name, row in cells.items():
                row.append(_summary_text(evidence, name, metric, fresh))
    columns.append("beside the best")
    compared = evidence.compared(TOP_100, fresh=not evidence.own)
    for name, row in cells.items():
        row.append(compared[name].verdict if name in compared else "–")
    return Table(
        columns,
        list(cells.values()),
        title="Mean and standard deviation over seeds",
        strong=frozenset([0]),
    )


def _summary_text(evidence: Evidence, name: str, metric: str, fresh: bool) -> str:
    summary = evidence.summary(name, metric, fresh)
    if summary is None:
        return "–"
    if summary.deviation is None or (name in evidence.baselines and not fresh):
        return number(summary.mean)
    return f"{number(summary.mean)} ± {summary.deviation:.4f}"


def _luck_text(evidence: Evidence, searched: float) -> str:
    """The winner's curse: what the search promised, and what came."""
    texts = [f"In the search it had {number(searched)}, the maximum of many, on validation rows"]
    for fresh, words in ((False, "on the study's own test rows"), (True, "on fresh splits")):
        summary = evidence.summary(evidence.winner, TOP_100, fresh)
        if summary:
            texts.append(f"{words} it has {number(summary.mean)}")
    return ", ".join(texts) + ". It trained on more rows here than in the search."


def _figure(evidence: Evidence) -> Figure:
    """Each configuration's mean and interval, on own rows and on fresh splits."""
    names = [*evidence.names, *evidence.baselines]
    traces = []
    for index, (fresh, words) in enumerate(KINDS.items()):
        found = [(name, evidence.summary(name, TOP_100, fresh)) for name in names]
        known = [(name, summary) for name, summary in found if summary]
        if not known:
            continue
        margins = [
            0.0 if summary.high is None else summary.high - summary.mean for _, summary in known
        ]
        traces.append(
            go.Scatter(
                x=[summary.mean for _, summary in known],
                y=[name_words(name) for name, _ in known],
                error_x={"type": "data", "array": margins, "thickness": 1.5, "width": 4},
                mode="markers",
                marker={"size": 9, "color": series(index), "symbol": ["circle", "diamond"][index]},
                name=words,
            )
        )
    figure = plot(*traces, x=metric_words(TOP_100), scattermode="group")
    figure.update_yaxes(autorange="reversed")
    return Figure(
        "confirmed",
        "Confirmed figures",
        "Means over seeds with 95 % intervals; right is better.",
        figure,
        height=120 + 44 * len(names),
    )


def _comparison_table(evidence: Evidence, fresh: bool) -> Table | None:
    compared = evidence.compared(TOP_100, fresh)
    if not compared:
        return None
    rows = [
        [
            name_words(name),
            signed(-each.difference),
            "–" if each.low is None or each.high is None
            else f"{signed(-each.high)} to {signed(-each.low)}",
            _probability(each.p_value if each.adjusted_p_value is None else each.adjusted_p_value),
            _probability(each.wilcoxon_p_value),
            f"{100 * (1 - each.probability):.1f} %",
        ]
        for name, each in compared.items()
    ]  # fmt: skip
    how = (
        "a paired t-test over splits, corrected for their overlap"
        if fresh
        else "users and training seeds both being samples"
    )
    return Table(
        ["configuration", "difference", "95 % interval", "p", "Wilcoxon's p", "is better"],
        rows,
        title=f"Against {name_words(evidence.winner)}, on {KINDS[fresh]}",
        note=f"p: {how}; adjusted by Holm for several comparisons. "
        f"Wilcoxon's: over {'splits' if fresh else 'users'}. "
        "Is better: how probable it is that the configuration beats the best.",
    )


def _probability(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def _ablation(evidence: Evidence) -> Iterator[Text]:
    """What the best configuration loses without a column, or a kind of feature."""
    compared = evidence.compared(TOP_100, fresh=not evidence.own)
    for name, each in compared.items():
        start, _, column = name.partition("_without_")
        if not column or start != evidence.winner:
            continue
        told = {
            "worse": f"it is worth {number(abs(each.difference))}",
            "better": f"it costs {number(abs(each.difference))}",
            ALIKE: "that can't be told from nothing",
        }
        text = (
            f"Without `{column}` the best configuration has {signed(-each.difference)}: "
            f"{told[each.verdict]}"
        )
        leak = (
            "; under a random split a row's time tells its session, which training rows share"
            if column == "timestamp"
            else ""
        )
        yield Text(f"{text}{leak}.")
