"""The answer: which trial, configuration or study is the best, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Block, Section, Text
from sweeper.report.sections.answer_tables import (
    entries_table,
    metric_tables,
    seed_groups_table,
)
from sweeper.report.sections.confirmation import other_best_text
from sweeper.report.sections.leaderboard import trial_table
from sweeper.report.sections.protocol import protocol_table
from sweeper.report.sections.question import states_text
from sweeper.report.study_entry import StudyEntry
from sweeper.results.baselines import (
    baseline_comparison_text,
    baseline_gaps_text,
    key_baselines,
    unbeaten_baseline_text,
    unbeaten_baselines_text,
)
from sweeper.results.confirmation_text import confirmed_text
from sweeper.results.formatting import count, metric_label, number
from sweeper.results.seed_groups import SeedGroup, has_seed_groups
from sweeper.results.statistics import NOT_DISTINGUISHABLE
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row, baselines_of, parameter_names
from sweeper.study.outputs.number_formats import parameters_text, short_names, values_text
from sweeper.two_tower.evaluation.metrics import is_always_hit


def answer_section(comparison: StudyComparison) -> Section:
    study = comparison.single
    blocks = _of_several(comparison) if study is None else _of_one(comparison, study)
    return Section("answer", "The answer", list(blocks))


def _of_several(comparison: StudyComparison) -> Iterator[Block]:
    yield Text(answer_text(comparison), "lead")
    if comparison.ranked:
        yield entries_table(comparison)


def _of_one(comparison: StudyComparison, study: StudyResults) -> Iterator[Block]:
    if study.confirmation and study.confirmation.is_complete:
        # Its rows guided no choice; the search's own value is inflated by selection.
        yield Text(confirmed_text(study, study.confirmation), "lead")
        if text := other_best_text(study, study.confirmation):
            yield Text(text)
        yield Text(answer_text(comparison))
    else:
        yield Text(answer_text(comparison), "lead")
    best = study.best
    if best is None:
        return
    if text := saturation_text(study, best):
        yield Text(text)
    if has_seed_groups(study):
        yield seed_groups_table(comparison, study)
        return
    if len(study.objectives) > 1:
        yield trial_table(study, study.front, title="The Pareto front")
        return
    if best.params:
        short = short_names(parameter_names(study.rows))
        yield Text(f"It has {parameters_text(best.params, short)}.")
    if text := _selection_text(comparison, study):
        yield Text(text, "note")
    if record := study.records.get(best.number):
        yield from metric_tables(record)


def answer_text(comparison: StudyComparison) -> str:
    """The sentence that the report is for."""
    study = comparison.single
    if study is None:
        return _text_of_several(comparison)
    best = study.best
    if best is None:
        return _no_answer(study)
    if has_seed_groups(study):
        return _seed_groups_text(study, comparison.seed_groups)
    if len(study.objectives) > 1:
        return _front_text(study)
    baselines = baselines_of(best, study.metric)
    return (
        f"{_trial_text(study, best)} **{_value_text(study, best)}**"
        f"{baseline_comparison_text(best.values[0], baselines, best.reference)}."
    )


def _text_of_several(comparison: StudyComparison) -> str:
    if not comparison.ranked:
        return "None of them has a finished trial: there is no answer."
    if comparison.problems:
        why = (
            "their results are on different rows"
            if protocol_table(comparison.entries, "")
            else "which rows their results are on isn't known of all"
        )
        return f"None is named the best: {why}."
    first, *others = comparison.ranked
    text = (
        f"`{first.label}` is the best: **{metric_label(comparison.metric)} {first.text}** "
        f"({first.best_label})"
    )
    if others:
        text += _gap_text(comparison, first, others[0])
    assert first.value is not None
    if weak := unbeaten_baseline_text(first.value, first.baselines, first.reference):
        return f"{text}. It {weak}."
    gaps = baseline_gaps_text(first.value, key_baselines(first.baselines, first.reference))
    return f"{text}{f'; {gaps}' if gaps else ''}."


def _gap_text(comparison: StudyComparison, first: StudyEntry, second: StudyEntry) -> str:
    assert first.value is not None
    assert second.value is not None
    gap = number(abs(first.value - second.value))
    alike = comparison.significance[second.label].verdict == NOT_DISTINGUISHABLE
    return f", {gap} from `{second.label}` ({second.text})" + (
        ", from which it is not distinguishable" if alike else ""
    )


def _seed_groups_text(study: StudyResults, groups: list[SeedGroup]) -> str:
    best, *others = groups
    among = f" of {len(others) + 1:,} configurations" if others else ""
    who = f"`{best.label}` has the best mean{among}" if others else "The mean is"
    seeds = f"{count(len(best.values), 'trial')} with different seeds"
    over = seeds if len(best.values) > 1 else "one seed"
    return (
        f"{who}: **{metric_label(study.metric)} {best.text}** over {over}, on "
        f"{study.evaluation_split} rows"
        f"{baseline_comparison_text(best.mean, best.baselines, best.reference)}."
    )


def _trial_text(study: StudyResults, best: Row) -> str:
    if study.study is None:
        return "This run has"
    ranked = study.ranked
    if len(ranked) == 1:
        return f"Trial {best.number} is the only complete trial:"
    others = sum(row.values[0] == best.values[0] for row in ranked) - 1
    alike = f", with {count(others, 'other')} of the same value," if others else ""
    return f"Trial {best.number} is{alike} the best of {len(ranked):,} complete trials:"


def _value_text(study: StudyResults, row: Row) -> str:
    """ "top-100 accuracy 0.4516 ± 0.0121 on 10,000 validation rows"."""
    (value, *_) = values_text(row.values, row.result, study.objectives)
    seeds = row.result.get("seeds") or []
    over = f", the mean of {count(len(seeds), 'split')}," if seeds else ""
    record = study.records.get(row.number)
    rows = (record.data.get("rows") or {}) if record else {}
    of = f"{rows[study.evaluation_split]:,} " if study.evaluation_split in rows else ""
    where = f" on {of}{study.evaluation_split} rows" if record else ""
    return f"{metric_label(study.metric)} {value}{over}{where}"


def _front_text(study: StudyResults) -> str:
    complete, front = len(study.of_states("complete")), study.front
    text = (
        f"{len(front):,} of {count(complete, 'complete trial')} "
        f"{'is' if len(front) == 1 else 'are'} on the Pareto front: what is better than one of "
        "these by one objective is worse by another"
    )
    unbeaten = list(filter(None, map(study.unbeaten_baseline, front)))
    if unbeaten:
        text += f"; {len(unbeaten)} of them {unbeaten_baselines_text(unbeaten)}"
    return f"{text}."


def _no_answer(study: StudyResults) -> str:
    if study.study is None:
        (run,) = study.rows
        reason = f": {run.reason}" if run.reason else ""
        return f"The run is {run.state}{reason}; there is no answer."
    if study.of_states("running", "waiting"):
        return f"No trial is complete and feasible yet ({states_text(study)}): no answer so far."
    if len(study.of_states("infeasible")) == len(study.rows):
        return "No trial is feasible: each scores all candidates alike. There is no answer."
    text = f"No trial is complete and feasible ({states_text(study)}): there is no answer."
    failed = [row for row in study.of_states("failed") if row.reason]
    if failed:
        reason = str(failed[0].reason).strip().splitlines()[0].rstrip(".")
        text += f" Trial {failed[0].number} failed with: {reason}."
    return text


def saturation_text(study: StudyResults, best: Row) -> str:
    """Says that the first objective distinguishes no models; "" where it does."""
    label, record = metric_label(study.metric), study.records.get(best.number)
    candidates = record.data.get("candidates") if record else None
    if candidates is not None and is_always_hit(study.metric, candidates):
        k = study.metric.rpartition("_")[2]
        return (
            f"**The {label} tells no model from another**: all {count(candidates, 'candidate')} "
            f"are among the first {k}, whatever the model. A smaller k can tell."
        )
    values = [row.values[0] for row in study.ranked]
    if len(values) > 1 and len(set(values)) == 1:
        return f"**All {len(values):,} complete trials have the same {label}**: it ranks none."
    return ""


def _selection_text(comparison: StudyComparison, study: StudyResults) -> str:
    """What the best of many trials is worth; "" where nothing was chosen from."""
    trials, pruned = len(study.of_states("complete", "pruned")), len(study.of_states("pruned"))
    if study.study is None or trials < 2:
        return ""
    of_them = f", {pruned:,} of them pruned," if pruned else ""
    verdicts = [
        each.verdict
        for key, each in comparison.significance.items()
        if isinstance(key, int) and each.compared
    ]
    alike = verdicts.count(NOT_DISTINGUISHABLE)
    of = f"{alike} of the next {len(verdicts)}" if len(verdicts) > 1 else "The next one"
    alike_text = f"{of} {'is' if alike == 1 else 'are'} not distinguishable from it. "
    return (
        f"It was chosen from {trials:,} trials{of_them} by its value on these very rows, which "
        f"selection inflates. {alike_text if alike else ''}Rows that guided no choice tell what "
        "it is worth."
    )
