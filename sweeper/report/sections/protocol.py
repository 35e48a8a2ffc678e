"""By which rules the results came about, and where studies differ in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sweeper.report.comparability import (
    NOT_KNOWN,
    Values,
    decides_rows,
    differences,
    known_protocols,
    names_by_value,
    seed_values,
)
from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Block, Section, Table, Text
from sweeper.report.study_entry import StudyEntry
from sweeper.results.confirmation_loading import has_confirmation
from sweeper.results.formatting import count, join_code, join_names
from sweeper.results.importance import is_seed
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import parameter_names
from sweeper.two_tower.config import baseline_name, flatten
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SEEN, data_lines, sampled_words, seen_by

# What the test rows are for in a study that was confirmed.
BY_CONFIRMATION = "are scored by the confirmation alone"


def protocol_section(comparison: StudyComparison) -> Section | None:
    """How the results came about; None without any record."""
    blocks: list[Block] = []
    if table := protocol_table(comparison.entries, "Where the protocols differ"):
        blocks += [Text("**The results are not on the same rows.**"), table]
    blocks += _how_it_was_done(comparison.entries)
    if (study := comparison.single) and blocks:
        different = [
            name
            for name in parameter_names(study.rows)
            if name.startswith("data") and not is_seed(name)
        ]
        if different:
            text = (
                f"The trials differ in {join_code(different)}: results on different rows can't be "
                "ranked against each other."
            )
            blocks.append(Text(text, "note"))
    return Section("protocol", "The protocol", blocks) if blocks else None


def protocol_table(entries: Sequence[StudyEntry], title: str) -> Table | None:
    """Where the protocols differ in what decides on the rows; None where they don't differ."""
    return _difference_table(known_protocols(entries), title)


def configurations_section(comparison: StudyComparison) -> Section | None:
    """Where the best trials differ in all else; None where they don't differ."""
    known = [
        (entry, {**flatten(entry.record.config), **seed_values(entry)})
        for entry in comparison.entries
        if entry.record is not None
    ]
    table = _difference_table(
        [
            (entry, {k: v for k, v in values.items() if not decides_rows(k) and k != "name"})
            for entry, values in known
        ],
        "Where the best configurations differ",
    )
    return Section("configurations", "Configurations", [table]) if table else None


def _difference_table(known: Sequence[tuple[StudyEntry, Values]], title: str) -> Table | None:
    rows = [[key, *values] for key, values in differences([values for _, values in known])]
    if not rows:
        return None
    return Table(["key", *(entry.label for entry, _ in known)], rows, title)


def _how_it_was_done(entries: Sequence[StudyEntry]) -> Iterator[Table]:
    """What all have alike, then what differs, with the studies that have it so."""
    single = len(entries) == 1
    records = [(e, e.results.record if single else e.record or e.results.record) for e in entries]
    known = [(e.label, dict(_protocol_parts(e.results, record))) for e, record in records if record]
    labels = [label for label, _ in known]
    alike, different = [], []
    for part in dict.fromkeys(part for _, parts in known for part in parts):
        shared = names_by_value(labels, [parts.get(part, NOT_KNOWN) for _, parts in known])
        if len(shared) == 1:
            alike.append([part, *shared])
        else:
            different += [[f"{part}: {join_names(those)}", text] for text, those in shared.items()]
    columns = ["part", "as it was done"]
    if alike:
        whose = "all of them" if len(known) == len(entries) else join_names(labels)
        title = "" if single else f"As {whose} {'have' if len(known) > 1 else 'has'} it"
        yield Table(columns, alike, title)
    if different:
        yield Table(columns, different, "Where it was done differently")


def _protocol_parts(results: StudyResults, record: TrialRecord) -> Iterator[tuple[str, str]]:
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
    """The split seeds of the repeats, or of the trials that differ in them; empty for one split."""
    varied = {
        row.params["data.split_seed"] for row in results.rows if "data.split_seed" in row.params
    }
    return [repeat["split_seed"] for repeat in record.repeats] or sorted(varied)


def _seeds_text(results: StudyResults, record: TrialRecord) -> str:
    seeds = [str(repeat["split_seed"]) for repeat in record.repeats]
    text = f"training seed {record.config['train']['seed']}"
    if seeds:
        text += f"; each trial on the split seeds {join_names(seeds)}, its result is their mean"
    varied = [name for name in parameter_names(results.rows) if is_seed(name)]
    return f"{text}; the trials differ in {join_names(varied)}" if varied else text
