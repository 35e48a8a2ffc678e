"""What a study's confirmation found on test rows, and whether the best is really better."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.rendering.page import Block, Section, Text
from sweeper.report.sections.confirmation_tables import (
    comparison_table,
    confirmed_figure,
    cuts_table,
    means_table,
    searched_value,
)
from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.confirmation_text import (
    best_baseline_text,
    configuration_label,
    confirmed_text,
    test_rows_label,
)
from sweeper.results.formatting import (
    count,
    join_names,
    number,
    signed,
    upper_first,
)
from sweeper.results.statistics import NOT_DISTINGUISHABLE
from sweeper.results.study_results import StudyResults

# With fewer seeds the tests find too many differences, see `sweeper.results.clustered_tests`.
FEW_SEEDS = 4


def confirmation_section(results: StudyResults) -> Section | None:
    """None for a study that was not confirmed."""
    confirmation = results.confirmation
    if confirmation is None:
        return None
    if not confirmation.is_complete:
        text = "No seed of the confirmation is complete for every configuration."
        return Section("confirmation", "Is it really better?", [Text(text, "lead")])
    return Section("confirmation", "Is it really better?", list(_blocks(results, confirmation)))


def _blocks(results: StudyResults, confirmation: ConfirmationResults) -> Iterator[Block]:
    metric = results.confirmed_metric
    yield Text(confirmed_text(results, confirmation), "lead")
    if text := other_best_text(results, confirmation):
        yield Text(text)
    if text := best_baseline_text(confirmation, metric):
        yield Text(text)
    yield Text(_which_rows(results, confirmation))
    yield means_table(results, confirmation, metric)
    if table := cuts_table(confirmation, metric):
        yield table
    yield Text(_luck_text(results, confirmation, metric))
    yield confirmed_figure(results, confirmation, metric)
    for fresh in (False, True):
        if table := comparison_table(confirmation, metric, fresh):
            yield table
    yield from _ablation(confirmation, metric)


def other_best_text(results: StudyResults, confirmation: ConfirmationResults) -> str | None:
    """Says that the study has another best trial since it was confirmed; None where it hasn't."""
    best = results.best
    if best is None or confirmation.confirms(best.number):
        return None
    return (
        f"**This confirms {configuration_label(confirmation.winner)}, which was the best then; now "
        f"trial {best.number} is.** The same command, with `study.confirm.best`, confirms that one."
    )


def _which_rows(results: StudyResults, confirmation: ConfirmationResults) -> str:
    by_time = not confirmation.is_split_at_random
    texts = []
    if confirmation.own:
        record = results.record
        scored = record is not None and record.config["evaluation"]["score_test"]
        but = ", though each trial was scored on them at its end" if scored else ""
        where = "all rows before them" if by_time else "all other rows"
        texts.append(
            f"The search made no choice by {test_rows_label(confirmation, fresh=False)}{but}; each "
            f"configuration was trained on {where}, with "
            f"{count(confirmation.seeds(), 'fresh training seed')}"
        )
    if by_time:
        texts += _cuts_texts(confirmation)
    elif confirmation.fresh:
        one = len(confirmation.fresh) == 1
        shows = "is another draw" if one else "show how far results vary between splits"
        texts.append(
            f"The {count(len(confirmation.fresh), 'fresh split')} {shows}; part of "
            f"{'its' if one else 'their'} test rows were training or validation rows of the search"
        )
    samples = (
        confirmation.seeds() if by_time else max(len(confirmation.own), len(confirmation.fresh))
    )
    if 1 < samples < FEW_SEEDS:
        texts.append(
            f"With fewer than {FEW_SEEDS} seeds differences are called real too soon: in 7 to 12 % "
            "of equal pairs instead of 5 %"
        )
    return ". ".join(texts) + "."


def _cuts_texts(confirmation: ConfirmationResults) -> Iterator[str]:
    """What the results of several cuts can tell, and what they can't."""
    earlier, number = (
        confirmation.cuts(fresh=True),
        len({*confirmation.cuts(), *confirmation.cuts(fresh=True)}),
    )
    if number < 2:
        return
    if earlier:
        one = len(earlier) == 1
        yield (
            f"At the earlier {'cut' if one else 'cuts'} {join_names(map(str, earlier))} "
            "(a rolling origin: cut n has the test rows that lie n steps back, and trains on what "
            "comes before) the test rows were validation or training rows of the search, so that "
            f"{'this cut shows' if one else 'these cuts show'} whether the order of the "
            f"configurations holds at other times, and {'confirms' if one else 'confirm'} nothing"
        )
    yield (
        f"There are {count(number, 'cut')} and {count(confirmation.seeds(), 'training seed')}. The "
        "intervals of differences are over users, clustered by user, and over training seeds, "
        "within these cuts; those of means are over training seeds alone. Cuts share users and "
        "training rows: they are not independent, and too few to say how results vary over time"
    )


def _luck_text(results: StudyResults, confirmation: ConfirmationResults, metric: str) -> str:
    """The winner's curse: the value in the search beside the confirmed one."""
    searched = searched_value(results, confirmation, confirmation.winner, metric)
    texts = []
    if searched is not None:
        is_best = results.best is not None and confirmation.confirms(results.best.number)
        chosen = metric == results.metric and is_best
        maximum = ", the maximum of many," if chosen else ""
        texts.append(f"In the search it had {number(searched)}{maximum} on validation rows")
    for fresh in (False, True):
        summary = confirmation.summary(confirmation.winner, metric, fresh)
        if summary:
            texts.append(f"on {test_rows_label(confirmation, fresh)} it has {number(summary.mean)}")
    text = upper_first(", ".join(texts))
    if not searched:
        return f"{text}."
    # At an earlier cut there are fewer rows to train on.
    here = "here" if confirmation.is_split_at_random else "at the study's own cut"
    return f"{text}. It trained on more rows {here} than in the search."


def _ablation(confirmation: ConfirmationResults, metric: str) -> Iterator[Text]:
    """What the best configuration loses without a column or feature, or with a change."""
    compared = confirmation.compared(metric, fresh=not confirmation.own)
    for name, each in compared.items():
        without, changed = (
            name.removeprefix(f"{confirmation.winner}_{word}_")
            if name.startswith(f"{confirmation.winner}_{word}_")
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
            NOT_DISTINGUISHABLE: "that can't be told from nothing",
        }
        text = (
            f"{'Without' if without else 'With'} `{column}` the best configuration has "
            f"{signed(-each.difference)}: {told[each.verdict]}"
        )
        leak = (
            "; under a random split a row's time tells its session, which training rows share"
            if column == "timestamp" and confirmation.is_split_at_random
            else ""
        )
        yield Text(f"{text}{leak}.")
