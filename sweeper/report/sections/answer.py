"""The answer that a study gives, in a sentence, and the figures that it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.rendering.page import Block, Section, Table, Text
from sweeper.report.sections.confirmed import other_best_text
from sweeper.report.sections.over_seeds import answer_over_seeds, table_over_seeds
from sweeper.report.sections.question import states_text
from sweeper.report.sections.trial_table import trial_table
from sweeper.results.baselines import baseline_comparison_text, unbeaten_baselines_text
from sweeper.results.confirmation_text import confirmed_text
from sweeper.results.formatting import (
    count,
    metric_label,
    number,
)
from sweeper.results.seed_groups import has_seed_groups
from sweeper.results.statistics import NOT_DISTINGUISHABLE
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row, baselines_of, parameter_names
from sweeper.study.outputs.reading import parameters_text, short_names, values_text
from sweeper.two_tower.config import SEEN_FILTERED, baseline_name, metric_name
from sweeper.two_tower.evaluation.metrics import is_always_hit
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SHOWN_METRICS, WITHOUT_SEEN, seen_by


def answer_section(results: StudyResults) -> Section:
    return Section("answer", "The answer", list(_answer(results)))


def _answer(results: StudyResults) -> Iterator[Block]:
    confirmation = results.confirmation
    if confirmation and confirmation.is_complete:
        # By rows that chose nothing, where there are any; the search's own figure flatters.
        yield Text(confirmed_text(results, confirmation), "lead")
        if text := other_best_text(results, confirmation):
            yield Text(text)
        yield Text(answer_text(results))
    else:
        yield Text(answer_text(results), "lead")
    best = results.best
    if best is None:
        return
    if text := saturation_text(results, best):
        yield Text(text)
    if has_seed_groups(results):
        yield table_over_seeds(results)
        return
    if len(results.objectives) > 1:
        yield trial_table(results, results.front, title="The Pareto front")
    elif best.params:
        short = short_names(parameter_names(results.rows))
        yield Text(f"It has {parameters_text(best.params, short)}.")
    yield from _luck(results)
    record = results.records.get(best.number)
    if record and len(results.objectives) == 1:
        yield from accuracy_tables(record)


def answer_text(results: StudyResults) -> str:
    """The sentence that the whole study is for."""
    best = results.best
    if best is None:
        return _no_answer(results)
    if has_seed_groups(results):
        return answer_over_seeds(results)
    if len(results.objectives) > 1:
        return _front_text(results)
    text = f"{_who(results, best)} **{figure_text(results, best)}**"
    baselines = baselines_of(best, results.metric)
    return f"{text}{baseline_comparison_text(best.values[0], baselines, best.reference)}."


def saturation_text(results: StudyResults, best: Row) -> str:
    """That the first objective tells no model from another; "" where it does."""
    words, record = metric_label(results.metric), results.records.get(best.number)
    candidates = record.data.get("candidates") if record else None
    if candidates is not None and is_always_hit(results.metric, candidates):
        k = results.metric.rpartition("_")[2]
        return (
            f"**The {words} tells no model from another**: all {count(candidates, 'candidate')} "
            f"are among the first {k}, whatever the model. A smaller k can tell."
        )
    values = [row.values[0] for row in results.ranked]
    if len(values) > 1 and len(set(values)) == 1:
        return f"**All {len(values):,} complete trials have the same {words}**: it ranks none."
    return ""


def _who(results: StudyResults, best: Row) -> str:
    if results.study is None:
        return "This run has"
    ranked = results.ranked
    if len(ranked) == 1:
        return f"Trial {best.number} is the only complete trial:"
    others = sum(row.values[0] == best.values[0] for row in ranked) - 1
    alike = f", with {count(others, 'other')} of the same figure," if others else ""
    return f"Trial {best.number} is{alike} the best of {len(ranked):,} complete trials:"


def figure_text(results: StudyResults, row: Row) -> str:
    """ "top-100 accuracy 0.4516 ± 0.0121 on 10,000 validation rows"."""
    (value, *_) = values_text(row.values, row.result, results.objectives)
    seeds = row.result.get("seeds") or []
    over = f", the mean of {count(len(seeds), 'split')}," if seeds else ""
    record = results.records.get(row.number)
    rows = (record.data.get("rows") or {}) if record else {}
    of = f"{rows[results.evaluation_split]:,} " if results.evaluation_split in rows else ""
    where = f" on {of}{results.evaluation_split} rows" if record else ""
    return f"{metric_label(results.metric)} {value}{over}{where}"


def _no_answer(results: StudyResults) -> str:
    if results.study is None:
        (run,) = results.rows
        reason = f": {run.reason}" if run.reason else ""
        return f"The run is {run.state}{reason}; there is no answer."
    if results.of_states("running", "waiting"):
        return f"No trial is complete and feasible yet ({states_text(results)}): no answer so far."
    if len(results.of_states("infeasible")) == len(results.rows):
        return "No trial is feasible: each scores all candidates alike. There is no answer."
    text = f"No trial is complete and feasible ({states_text(results)}): there is no answer."
    failed = [row for row in results.of_states("failed") if row.reason]
    if failed:
        reason = str(failed[0].reason).strip().splitlines()[0].rstrip(".")
        text += f" Trial {failed[0].number} failed with: {reason}."
    return text


def _front_text(results: StudyResults) -> str:
    complete, front = len(results.of_states("complete")), results.front
    text = (
        f"{len(front):,} of {count(complete, 'complete trial')} "
        f"{'is' if len(front) == 1 else 'are'} on the Pareto front: what is better than one of "
        "these by one objective is worse by another"
    )
    unbeaten = list(filter(None, map(results.unbeaten_baseline, front)))
    if unbeaten:
        text += f"; {len(unbeaten)} of them {unbeaten_baselines_text(unbeaten)}"
    return f"{text}."


def _luck(results: StudyResults) -> Iterator[Text]:
    """What a maximum over many trials is worth."""
    trials, pruned = (len(results.of_states(*of)) for of in (("complete", "pruned"), ("pruned",)))
    if results.study is not None and trials > 1 and len(results.objectives) == 1:
        of_them = f", {pruned:,} of them pruned," if pruned else ""
        yield Text(
            f"It was chosen from {trials:,} trials{of_them} by its figure on these very rows, "
            f"which therefore flatters. {_alike(results)}Rows that chose nothing tell what it is "
            "worth.",
            "note",
        )


def _alike(results: StudyResults) -> str:
    """How many other trials can't be told apart from the best."""
    compared = [
        each.compared
        for key, each in results.significance.items()
        if isinstance(key, int) and each.compared
    ]
    alike = sum(each.verdict == NOT_DISTINGUISHABLE for each in compared)
    if not alike:
        return ""
    of = f"{alike} of the next {len(compared)}" if len(compared) > 1 else "The next one"
    return f"{of} {'is' if alike == 1 else 'are'} not distinguishable from it. "


def accuracy_tables(record: TrialRecord) -> Iterator[Table]:
    """The metrics of a trial beside the baselines, on each part that was scored."""
    for rows, metrics in record.metrics.items():
        scored = {"this model": metrics}
        if record.deviations.get(rows):
            scored["standard deviation"] = record.deviations[rows]
        for name, parts in record.baselines.items():
            if rows in parts:
                scored[baseline_name(name)] = parts[rows]
        total = (record.data.get("rows") or {}).get(rows)
        unseen = WITHOUT_SEEN[seen_by(record.config)]
        title = f"Metrics on {f'{total:,} ' if total else ''}{rows} rows"
        yield Table(
            ["by", "candidates", *map(metric_name, SHOWN_METRICS)],
            [
                [
                    name,
                    words if index == 0 else "",
                    *(number(metrics.get(f"{prefix}{each}")) for each in SHOWN_METRICS),
                ]
                for prefix, words in (("", "all"), (SEEN_FILTERED, unseen))
                for index, (name, metrics) in enumerate(scored.items())
            ],
            title,
            strong=frozenset({0, len(scored)}),
        )
