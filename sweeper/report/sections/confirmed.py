"""What a study's confirmation says: the figures on test rows, and whether the best is better."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.rendering.page import Block, Section, Text
from sweeper.report.sections.best_baseline import best_baseline_text
from sweeper.report.sections.confirmed_tables import (
    comparison_table,
    confirmed_figure,
    cuts_table,
    figures_table,
    name_words,
    rows_words,
    searched_figure,
)
from sweeper.results.evidence.evidence import Evidence
from sweeper.results.evidence.ranks import is_accuracy
from sweeper.results.evidence.statistics import ALIKE, Summary
from sweeper.results.formatting import (
    count,
    listed,
    metric_words,
    number,
    signed,
    upper_first,
)
from sweeper.results.study_results import StudyResults
from sweeper.two_tower.config import DEFAULT_METRIC

# With fewer seeds the tests are too bold, see `sweeper.results.evidence.clustered_tests`.
FEW_SEEDS = 4


def evidence_section(subject: StudyResults) -> Section | None:
    """The section of a study that was confirmed; None of another."""
    evidence = subject.evidence
    if evidence is None:
        return None
    if not evidence.is_complete:
        text = "No seed of the confirmation is complete for every configuration."
        return Section("evidence", "Is it really better?", [Text(text, "lead")])
    return Section("evidence", "Is it really better?", list(_blocks(subject, evidence)))


def confirmed_metric(subject: StudyResults) -> str:
    """The study's first objective where that is an accuracy to be high, else top-100."""
    wanted = is_accuracy(subject.metric) and subject.is_maximized
    return subject.metric if wanted else DEFAULT_METRIC


def _blocks(subject: StudyResults, evidence: Evidence) -> Iterator[Block]:
    metric = confirmed_metric(subject)
    yield Text(confirmed_text(subject, evidence), "lead")
    if text := other_best_text(subject, evidence):
        yield Text(text)
    if text := best_baseline_text(evidence, metric):
        yield Text(text)
    yield Text(_which_rows(subject, evidence))
    yield figures_table(subject, evidence, metric)
    if table := cuts_table(evidence, metric):
        yield table
    yield Text(_luck_text(subject, evidence, metric))
    yield confirmed_figure(subject, evidence, metric)
    for fresh in (False, True):
        if table := comparison_table(evidence, metric, fresh):
            yield table
    yield from _ablation(evidence, metric)


def confirmed_text(subject: StudyResults, evidence: Evidence) -> str:
    """The answer in a sentence, by figures that the search had no part in."""
    fresh, metric = not evidence.own, confirmed_metric(subject)
    summary = evidence.summary(evidence.winner, metric, fresh)
    assert summary is not None
    compared = evidence.compared(metric, fresh)

    def those(verdict: str) -> list[str]:
        return [name_words(name) for name, each in compared.items() if each.verdict == verdict]

    text = (
        f"{upper_first(name_words(evidence.winner))} has **{number(summary.mean)} "
        f"{metric_words(metric)}** on {rows_words(evidence, fresh)}{_interval_words(summary)}"
    )
    if worse := those("worse"):
        text += f"; it is better than {listed(worse)}"
    if alike := those(ALIKE):
        text += f"; it can't be told apart from {listed(alike)}"
    if better := those("better"):
        text += f"; {listed(better)} {'is' if len(better) == 1 else 'are'} better"
    return f"{text}."


def other_best_text(subject: StudyResults, evidence: Evidence) -> str | None:
    """That the study has gone on since it was confirmed, where it has another best trial."""
    best = subject.best
    if best is None or evidence.confirms(best.number):
        return None
    return (
        f"**This confirms {name_words(evidence.winner)}, which was the best then; now trial "
        f"{best.number} is.** The same command, with `study.confirm.best`, confirms that one."
    )


def _interval_words(summary: Summary) -> str:
    if summary.low is None:
        return ", one seed"
    return (
        f" (95 % interval {number(summary.low)} to {number(summary.high)}, "
        f"{count(summary.number, 'seed')})"
    )


def _which_rows(subject: StudyResults, evidence: Evidence) -> str:
    by_time = not evidence.is_split_at_random
    texts = []
    if evidence.own:
        record = subject.record
        scored = record is not None and record.config["evaluation"]["score_test"]
        but = ", though each trial was scored on them at its end" if scored else ""
        where = "all rows before them" if by_time else "all other rows"
        texts.append(
            f"The search made no choice by {rows_words(evidence, fresh=False)}{but}; each "
            f"configuration was trained on {where}, with "
            f"{count(evidence.seeds(), 'fresh training seed')}"
        )
    if by_time:
        texts += _cuts_texts(evidence)
    elif evidence.fresh:
        one = len(evidence.fresh) == 1
        shows = "is another draw" if one else "show how far figures vary between splits"
        texts.append(
            f"The {count(len(evidence.fresh), 'fresh split')} {shows}; part of "
            f"{'its' if one else 'their'} test rows were training or validation rows of the search"
        )
    samples = evidence.seeds() if by_time else max(len(evidence.own), len(evidence.fresh))
    if 1 < samples < FEW_SEEDS:
        texts.append(
            f"With fewer than {FEW_SEEDS} seeds differences are called real too soon: in 7 to 12 % "
            "of equal pairs instead of 5 %"
        )
    return ". ".join(texts) + "."


def _cuts_texts(evidence: Evidence) -> Iterator[str]:
    """What figures of several cuts can tell, and what they can't."""
    earlier, number = evidence.cuts(fresh=True), len({*evidence.cuts(), *evidence.cuts(fresh=True)})
    if number < 2:
        return
    if earlier:
        one = len(earlier) == 1
        yield (
            f"At the earlier {'cut' if one else 'cuts'} {listed(map(str, earlier))} "
            "(a rolling origin: cut n has the test rows that lie n steps back, and trains on what "
            "comes before) the test rows were validation or training rows of the search, so that "
            f"{'this cut shows' if one else 'these cuts show'} whether the order of the "
            f"configurations holds at other times, and {'confirms' if one else 'confirm'} nothing"
        )
    yield (
        f"There are {count(number, 'cut')} and {count(evidence.seeds(), 'training seed')}. The "
        "intervals of differences are over users, clustered by user, and over training seeds, "
        "within these cuts; those of means are over training seeds alone. Cuts share users and "
        "training rows: they are not independent, and too few to say how figures vary over time"
    )


def _luck_text(subject: StudyResults, evidence: Evidence, metric: str) -> str:
    """The winner's curse: what the search promised, and what came."""
    searched = searched_figure(subject, evidence, evidence.winner, metric)
    texts = []
    if searched is not None:
        is_best = subject.best is not None and evidence.confirms(subject.best.number)
        chosen = metric == subject.metric and is_best
        maximum = ", the maximum of many," if chosen else ""
        texts.append(f"In the search it had {number(searched)}{maximum} on validation rows")
    for fresh in (False, True):
        summary = evidence.summary(evidence.winner, metric, fresh)
        if summary:
            texts.append(f"on {rows_words(evidence, fresh)} it has {number(summary.mean)}")
    text = upper_first(", ".join(texts))
    if not searched:
        return f"{text}."
    # An earlier cut has fewer rows before it.
    here = "here" if evidence.is_split_at_random else "at the study's own cut"
    return f"{text}. It trained on more rows {here} than in the search."


def _ablation(evidence: Evidence, metric: str) -> Iterator[Text]:
    """What the best configuration loses without a column or a kind of feature, or changed."""
    compared = evidence.compared(metric, fresh=not evidence.own)
    for name, each in compared.items():
        without, changed = (
            name.removeprefix(f"{evidence.winner}_{word}_")
            if name.startswith(f"{evidence.winner}_{word}_")
            else ""
            for word in ("without", "with")
        )
        column = without or changed
        if not column:
            continue
        what = "it" if without else "its own choice"
        told = {
            "worse": f"{what} is worth {signed(abs(each.difference))[1:]}",
            "better": f"{what} costs {signed(abs(each.difference))[1:]}",
            ALIKE: "that can't be told from nothing",
        }
        text = (
            f"{'Without' if without else 'With'} `{column}` the best configuration has "
            f"{signed(-each.difference)}: {told[each.verdict]}"
        )
        leak = (
            "; under a random split a row's time tells its session, which training rows share"
            if column == "timestamp" and evidence.is_split_at_random
            else ""
        )
        yield Text(f"{text}{leak}.")
