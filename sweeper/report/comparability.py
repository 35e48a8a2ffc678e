"""Whether the results of several studies may be ranked against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.report.study_entry import StudyEntry
from sweeper.results.formatting import join_names, value_text
from sweeper.results.importance import is_seed
from sweeper.study import attributes
from sweeper.study.outputs.leaderboard import parameter_names
from sweeper.two_tower.config import SEEN_FILTERED, flatten, unflatten, with_defaults
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SEEN, seen_by

# The part of a configuration that decides which rows a result is on.
DATA, ROWS = "data.", ("evaluation.split", "evaluation.sampled_candidates")
# Where the data lie makes no difference, nor does the name of a run.
IGNORED = ("data.source", "data.cache_dir", "name")
SYNTHETIC = "data.synthetic."
SPLIT_SEEDS, FINGERPRINT = "study.split_seeds", "the data's fingerprint"
NOT_KNOWN = "–"

# A configuration's values by dotted keys.
Values = Mapping[str, Any]


def comparability_problems(entries: Sequence[StudyEntry], metric: str) -> list[str]:
    """Why the results must not be ranked against each other; empty where they may be."""
    problems = [*_difference_problems(entries), *_unknown_problems(entries)]
    if metric.startswith(SEEN_FILTERED):
        problems += _repetition_problems(entries)
        problems += _seen_problems(entries)
    return problems


def _difference_problems(entries: Sequence[StudyEntry]) -> Iterator[str]:
    known = known_protocols(entries)
    directories = [str(entry.results.directory) for entry, _ in known]
    parts = [
        f"{key} ({_by_value(directories, values)})"
        for key, values in differences([protocol for _, protocol in known])
    ]
    if parts:
        yield (
            f"the protocols differ in {'; '.join(parts)}: results on different rows can't be "
            "ranked; all must have the same data, split and split seeds"
        )


def _unknown_problems(entries: Sequence[StudyEntry]) -> Iterator[str]:
    valued = [entry for entry in entries if entry.value is not None]
    unknown = [entry for entry in valued if _protocol(entry) is None]
    if unknown and len(valued) > 1:
        directories = join_names(str(entry.results.directory) for entry in unknown)
        yield (
            f"{directories}: neither a trial's record nor the study says which data and rows the "
            "results are on: they can't be ranked"
        )


def _repetition_problems(entries: Sequence[StudyEntry]) -> Iterator[str]:
    """Whether some results are of a version that did not count repeat rows as misses."""
    done = [
        (str(entry.results.directory), entry.record.by_repetition)
        for entry in entries
        if entry.record and entry.record.state == "completed"
    ]
    earlier = [directory for directory, by_repetition in done if not by_repetition]
    later = [
        directory
        for directory, by_repetition in done
        if any("repeat" in parts for parts in by_repetition.values())
    ]
    if earlier and later:
        yield (
            f"{join_names(earlier)}: an earlier version scored these without counting rows whose "
            f"candidate the user has already as misses, as in {join_names(later)}: seen-filtered "
            "results of both can't be ranked; must be trained anew"
        )


def _seen_problems(entries: Sequence[StudyEntry]) -> Iterator[str]:
    """Whether seen-filtered results leave out different candidates."""
    known = [
        (str(entry.results.directory), SEEN[seen_by(unflatten(config))])
        for entry in entries
        if (config := _flat_config(entry))
    ]
    directories, seen = [directory for directory, _ in known], [words for _, words in known]
    if len(set(seen)) > 1:
        yield (
            f"seen-filtered results leave out {_by_value(directories, seen)}: they can't be ranked "
            "against each other; all must have the same evaluation.seen"
        )


def _by_value(directories: Sequence[str], values: Sequence[str]) -> str:
    """ "temporal in a, random in b and c"."""
    shared = names_by_value(directories, values)
    return ", ".join(f"{value} in {join_names(names)}" for value, names in shared.items())


def names_by_value(names: Sequence[str], values: Sequence[str]) -> dict[str, list[str]]:
    """The names that have the same value, by value."""
    found: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        found.setdefault(value, []).append(name)
    return found


def differences(of_each: Sequence[Values]) -> Iterator[tuple[str, list[str]]]:
    """The keys in which some differ, with the value of each as text."""
    are_synthetic = {values.get("data.name") for values in of_each} == {"synthetic"}
    texts = [_texts(values, are_synthetic) for values in of_each]
    is_explained = False
    for key in dict.fromkeys(key for each in texts for key in each):
        values = [each.get(key, NOT_KNOWN) for each in texts]
        different = set(values)
        if key == FINGERPRINT:
            # It matters where it alone differs: other data under the same name and split.
            different = set() if is_explained else different - {NOT_KNOWN}
        if len(different) > 1:
            is_explained = True
            yield key, values


def _texts(values: Values, are_synthetic: bool) -> dict[str, str]:
    """The values as text; how synthetic data are made, for such data only, as one value."""
    made = [
        f"{key.removeprefix(SYNTHETIC)} {value}"
        for key, value in values.items()
        if key.startswith(SYNTHETIC)
    ]
    texts = {
        key: value_text(value) for key, value in values.items() if not key.startswith(SYNTHETIC)
    }
    return {**texts, "data.synthetic": ", ".join(made)} if are_synthetic and made else texts


def decides_rows(key: str) -> bool:
    """Whether a key of the configuration decides which rows a result is on."""
    return key.startswith(DATA) or key in (*ROWS, SPLIT_SEEDS, FINGERPRINT)


def known_protocols(entries: Sequence[StudyEntry]) -> list[tuple[StudyEntry, Values]]:
    """What decides which rows each result is on, where that is known."""
    found = ((entry, _protocol(entry)) for entry in entries)
    return [(entry, protocol) for entry, protocol in found if protocol is not None]


def _protocol(entry: StudyEntry) -> Values | None:
    """By the best trial's record, else by another trial's, else by the study itself."""
    results, record = entry.results, entry.record
    names = parameter_names(results.rows)
    if record is None and any(name.startswith("data") and not is_seed(name) for name in names):
        # Each trial has its own data.
        return None
    config = _flat_config(entry)
    if not config:
        return None
    record = record or results.record
    values = {**config, **seed_values(entry), SPLIT_SEEDS: _split_seeds(entry, record)}
    if record and record.data.get("fingerprint"):
        values[FINGERPRINT] = record.data["fingerprint"][:12]
    return {key: value for key, value in values.items() if decides_rows(key) and key not in IGNORED}


def _stored_protocol(entry: StudyEntry) -> Values | None:
    study = entry.results.study
    return study.user_attrs.get(attributes.PROTOCOL) if study else None


def _flat_config(entry: StudyEntry) -> Values | None:
    """The configuration of the best trial, of another trial or of the study, by dotted keys."""
    if record := entry.record or entry.results.record:
        return flatten(record.config)
    stored = _stored_protocol(entry)
    # A key that is younger than the study had the schema's default when the study began.
    return flatten(with_defaults(unflatten(stored))) if stored else None


def seed_values(entry: StudyEntry) -> dict[str, Any]:
    """All seeds of a grid over seeds, whichever of them the best trial has."""
    rows = entry.results.rows
    return {
        name: sorted({row.params[name] for row in rows if name in row.params})
        for name in filter(is_seed, parameter_names(rows))
    }


def _split_seeds(entry: StudyEntry, record: TrialRecord | None) -> list[int]:
    """The split seeds over which a result is the mean; empty for a single split."""
    result = entry.best.result if entry.best else {}
    if "seeds" in result:
        return sorted(seed["split_seed"] for seed in result["seeds"])
    stored = _stored_protocol(entry)
    if stored and SPLIT_SEEDS in stored:
        return sorted(stored[SPLIT_SEEDS])
    return sorted(repeat["split_seed"] for repeat in record.repeats) if record else []
