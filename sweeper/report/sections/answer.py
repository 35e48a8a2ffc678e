"""The answer that a study gives, in a sentence, and the figures that it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.rendering.page import Block, Section, Table, Text
from sweeper.report.sections.confirmed import confirmed_text, other_best_text
from sweeper.report.sections.over_seeds import answer_over_seeds, table_over_seeds
from sweeper.report.sections.question import states_text
from sweeper.report.sections.trial_table import trial_table
from sweeper.results.analysis.baselines import beside_baselines, is_no_better, mark_words
from sweeper.results.analysis.seed_groups import seeds_varied
from sweeper.results.analysis.significance import certainties
from sweeper.results.evidence.statistics import ALIKE
from sweeper.results.formatting import (
    baseline_words,
    count,
    metric_words,
    number,
)
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import Row, baselines_of, parameter_names
from sweeper.study.outputs.reading import parameters_text, short_names, values_text
from sweeper.two_tower.config import SEEN_FILTERED, metric_name
from sweeper.two_tower.evaluation.metrics import is_always_hit
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SHOWN_METRICS, WITHOUT_SEEN, seen_by


def answer_section(subject: StudyResults) -> Section:
    return Section("answer", "The answer", list(_answer(subject)))


def _answer(subject: StudyResults) -> Iterator[Block]:
    evidence = subject.evidence
    if evidence and evidence.is_complete:
        # By rows that chose nothing, where there are any; the search's own figure flatters.
        yield Text(confirmed_text(subject, evidence), "lead")
        if text := other_best_text(subject, evidence):
            yield Text(text)
        yield Text(answer_text(subject))
    else:
        yield Text(answer_text(subject), "lead")
    best = subject.best
    if best is None:
        return
    if text := saturation_text(subject, best):
        yield Text(text)
    if seeds_varied(subject):
        yield table_over_seeds(subject)
        return
    if len(subject.objectives) > 1:
        yield trial_table(subject, subject.front, title="The Pareto front")
    elif best.params:
        short = short_names(parameter_names(subject.rows))
        yield Text(f"It has {parameters_text(best.params, short)}.")
    yield from _luck(subject)
    record = subject.records.get(best.number)
    if record and len(subject.objectives) == 1:
        yield from accuracy_tables(record)


def answer_text(subject: StudyResults) -> str:
    """The sentence that the whole study is for."""
    best = subject.best
    if best is None:
        return _no_answer(subject)
    if seeds_varied(subject):
        return answer_over_seeds(subject)
    if len(subject.objectives) > 1:
        return _front_text(subject)
    text = f"{_who(subject, best)} **{figure_text(subject, best)}**"
    baselines = baselines_of(best, subject.metric)
    return f"{text}{beside_baselines(best.values[0], baselines, best.reference)}."


def saturation_text(subject: StudyResults, best: Row) -> str:
    """That the first objective tells no model from another; "" where it does."""
    words, record = metric_words(subject.metric), subject.records.get(best.number)
    candidates = record.data.get("candidates") if record else None
    if candidates is not None and is_always_hit(subject.metric, candidates):
        k = subject.metric.rpartition("_")[2]
        return (
            f"**The {words} tells no model from another**: all {count(candidates, 'candidate')} "
            f"are among the first {k}, whatever the model. A smaller k can tell."
        )
    values = [row.values[0] for row in subject.ranked]
    if len(values) > 1 and len(set(values)) == 1:
        return f"**All {len(values):,} complete trials have the same {words}**: it ranks none."
    return ""


def _who(subject: StudyResults, best: Row) -> str:
    if subject.study is None:
        return "This run has"
    ranked = subject.ranked
    if len(ranked) == 1:
        return f"Trial {best.number} is the only complete trial:"
    others = sum(row.values[0] == best.values[0] for row in ranked) - 1
    alike = f", with {count(others, 'other')} of the same figure," if others else ""
    return f"Trial {best.number} is{alike} the best of {len(ranked):,} complete trials:"


def figure_text(subject: StudyResults, row: Row) -> str:
    """ "top-100 accuracy 0.4516 ± 0.0121 on 10,000 validation rows"."""
    (value, *_) = values_text(row.values, row.result, subject.objectives)
    seeds = row.result.get("seeds") or []
    over = f", the mean of {count(len(seeds), 'split')}," if seeds else ""
    record = subject.records.get(row.number)
    rows = (record.data.get("rows") or {}) if record else {}
    of = f"{rows[subject.scored_rows]:,} " if subject.scored_rows in rows else ""
    where = f" on {of}{subject.scored_rows} rows" if record else ""
    return f"{metric_words(subject.metric)} {value}{over}{where}"


def _no_answer(subject: StudyResults) -> str:
    if subject.study is None:
        (run,) = subject.rows
        reason = f": {run.reason}" if run.reason else ""
        return f"The run is {run.state}{reason}; there is no answer."
    if subject.of_states("running", "waiting"):
        return f"No trial is complete and feasible yet ({states_text(subject)}): no answer so far."
    if len(subject.of_states("infeasible")) == len(subject.rows):
        return "No trial is feasible: each scores all candidates alike. There is no answer."
    text = f"No trial is complete and feasible ({states_text(subject)}): there is no answer."
    failed = [row for row in subject.of_states("failed") if row.reason]
    if failed:
        reason = str(failed[0].reason).strip().splitlines()[0].rstrip(".")
        text += f" Trial {failed[0].number} failed with: {reason}."
    return text


def _front_text(subject: StudyResults) -> str:
    complete, front = len(subject.of_states("complete")), subject.front
    text = (
        f"{len(front):,} of {count(complete, 'complete trial')} "
        f"{'is' if len(front) == 1 else 'are'} on the Pareto front: what is better than one of "
        "these by one objective is worse by another"
    )
    weak = sum(is_no_better(subject, row) for row in front)
    return f"{text}; {weak} of them {mark_words(subject, front)}." if weak else f"{text}."


def _luck(subject: StudyResults) -> Iterator[Text]:
    """What a maximum over many trials is worth."""
    trials, pruned = (len(subject.of_states(*of)) for of in (("complete", "pruned"), ("pruned",)))
    if subject.study is not None and trials > 1 and len(subject.objectives) == 1:
        of_them = f", {pruned:,} of them pruned," if pruned else ""
        yield Text(
            f"It was chosen from {trials:,} trials{of_them} by its figure on these very rows, "
            f"which therefore flatters. {_alike(subject)}Rows that chose nothing tell what it is "
            "worth.",
            "note",
        )


def _alike(subject: StudyResults) -> str:
    """How many other trials can't be told apart from the best."""
    compared = [
        each.compared
        for key, each in certainties(subject).items()
        if isinstance(key, int) and each.compared
    ]
    alike = sum(each.verdict == ALIKE for each in compared)
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
                scored[baseline_words(name)] = parts[rows]
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
