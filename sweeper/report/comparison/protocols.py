"""Whether the figures of several studies and runs may be compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.report.comparison.entries import StudyEntry
from sweeper.report.rendering.page import Table
from sweeper.report.sections.question import protocol_rows
from sweeper.results.formatting import join_names, value_text
from sweeper.results.importance import is_seed
from sweeper.study import attributes
from sweeper.study.outputs.leaderboard import parameter_names
from sweeper.two_tower.config import SEEN_FILTERED, flatten, unflatten, with_defaults
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import SEEN, seen_by

# Of the configuration, what decides which rows a figure is of.
DATA, ROWS = "data.", ("evaluation.split", "evaluation.sampled_candidates")
# Where the data lay is no matter, only what they are; a run's name is none either.
NO_MATTER = ("data.source", "data.cache_dir", "name")
SYNTHETIC, MADE_UP = "data.synthetic.", "synthetic"
SPLIT_SEEDS, FINGERPRINT = "study.split_seeds", "the data's fingerprint"
NOT_KNOWN = "–"

Values = Mapping[str, Any]


def protocol_problems(standings: Sequence[StudyEntry], metric: str) -> list[str]:
    """Why the figures must not be ranked against each other; empty: they may be."""
    problems = [*_difference_problems(standings), *_unknown_problems(standings)]
    if metric.startswith(SEEN_FILTERED):
        problems += _repetition_problems(standings)
        problems += _reading_problems(standings)
    return problems


def _reading_problems(standings: Sequence[StudyEntry]) -> Iterator[str]:
    """Seen-filtered figures that leave out different things."""
    known = [
        (str(standing.results.directory), SEEN[seen_by(unflatten(config))])
        for standing in standings
        if (config := _flat_config(standing))
    ]
    places, readings = [place for place, _ in known], [reading for _, reading in known]
    if len(set(readings)) > 1:
        yield (
            f"seen-filtered figures leave out {_by_value(places, readings)}: they can't be ranked "
            "against each other; all must have the same evaluation.seen"
        )


def _repetition_problems(standings: Sequence[StudyEntry]) -> Iterator[str]:
    """Seen-filtered figures of versions before and after repeat rows were counted as misses."""
    done = [
        (standing, standing.record)
        for standing in standings
        if standing.record and standing.record.state == "completed"
    ]
    earlier = [standing for standing, record in done if not record.by_repetition]
    with_repetition = [
        standing
        for standing, record in done
        if any("repeat" in parts for parts in record.by_repetition.values())
    ]
    if earlier and with_repetition:
        places = [
            join_names(str(s.results.directory) for s in each)
            for each in (earlier, with_repetition)
        ]
        yield (
            f"{places[0]}: an earlier version scored these without counting rows whose candidate "
            f"the user has already as misses, as in {places[1]}: seen-filtered figures of both "
            "can't be ranked; must be trained anew"
        )


def _difference_problems(standings: Sequence[StudyEntry]) -> Iterator[str]:
    known = _protocols(standings)
    places = [str(standing.results.directory) for standing, _ in known]
    parts = [
        f"{key} ({_by_value(places, values)})"
        for key, values in _differences([protocol for _, protocol in known])
    ]
    if parts:
        yield (
            f"the protocols differ in {'; '.join(parts)}: figures on different rows can't be "
            "ranked; all must have the same data, split and split seeds"
        )


def _unknown_problems(standings: Sequence[StudyEntry]) -> Iterator[str]:
    valued = [standing for standing in standings if standing.value is not None]
    unknown = [standing for standing in valued if _protocol(standing) is None]
    if unknown and len(valued) > 1:
        places = join_names(str(standing.results.directory) for standing in unknown)
        yield (
            f"{places}: neither a trial's record nor the study says which data and rows the "
            "figures are of: they can't be ranked"
        )


def _by_value(places: Sequence[str], values: Sequence[str]) -> str:
    """ "temporal in a, random in b and c"."""
    return ", ".join(
        f"{value} in {join_names(places)}" for value, places in _shared(places, values).items()
    )


def _shared(names: Sequence[str], values: Sequence[str]) -> dict[str, list[str]]:
    """The names that have the same value, by value."""
    found: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        found.setdefault(value, []).append(name)
    return found


def _differences(of_each: Sequence[Values]) -> Iterator[tuple[str, list[str]]]:
    """The keys in which some differ, with the value of each."""
    made_up = {values.get("data.name") for values in of_each} == {MADE_UP}
    texts = [_texts(values, made_up) for values in of_each]
    told = False
    for key in dict.fromkeys(key for each in texts for key in each):
        values = [each.get(key, NOT_KNOWN) for each in texts]
        different = set(values)
        if key == FINGERPRINT:
            # Other data, as of another package, under the same name and split.
            different = set() if told else different - {NOT_KNOWN}
        if len(different) > 1:
            told = True
            yield key, values


def _texts(values: Values, made_up: bool) -> dict[str, str]:
    """In words; how data are made up is told of such data alone."""
    made = [
        f"{key.removeprefix(SYNTHETIC)} {value}"
        for key, value in values.items()
        if key.startswith(SYNTHETIC)
    ]
    texts = {
        key: value_text(value) for key, value in values.items() if not key.startswith(SYNTHETIC)
    }
    return {**texts, "data.synthetic": ", ".join(made)} if made_up and made else texts


def _is_decisive(key: str) -> bool:
    return key.startswith(DATA) or key in (*ROWS, SPLIT_SEEDS, FINGERPRINT)


def _protocols(standings: Sequence[StudyEntry]) -> list[tuple[StudyEntry, Values]]:
    """What decides which rows each one's figures are of, where that is known."""
    found = ((standing, _protocol(standing)) for standing in standings)
    return [(standing, protocol) for standing, protocol in found if protocol is not None]


def _protocol(standing: StudyEntry) -> Values | None:
    """As the best trial's record has it, else another trial's, else the study itself."""
    results, record = standing.results, standing.record
    names = parameter_names(results.rows)
    if record is None and any(name.startswith("data") and not is_seed(name) for name in names):
        # Each trial has data of its own.
        return None
    record = record or results.record
    stored = results.study.user_attrs.get(attributes.PROTOCOL) if results.study else None
    config = _flat_config(standing)
    if not config:
        return None
    values = {**config, **_seeds(standing), SPLIT_SEEDS: _split_seeds(standing, record, stored)}
    if record and record.data.get("fingerprint"):
        values[FINGERPRINT] = record.data["fingerprint"][:12]
    return {
        key: value for key, value in values.items() if _is_decisive(key) and key not in NO_MATTER
    }


def _flat_config(standing: StudyEntry) -> Values | None:
    """The configuration of the best trial, of another one, or of the study; by dotted keys."""
    results = standing.results
    if record := standing.record or results.record:
        return flatten(record.config)
    stored = results.study.user_attrs.get(attributes.PROTOCOL) if results.study else None
    # Of keys that it is older than, it began with what the schema has for them.
    return flatten(with_defaults(unflatten(stored))) if stored else None


def _seeds(standing: StudyEntry) -> dict[str, Any]:
    """The seeds of a grid over them: it is all of them, whichever the best trial has."""
    rows = standing.results.rows
    return {
        name: sorted({row.params[name] for row in rows if name in row.params})
        for name in filter(is_seed, parameter_names(rows))
    }


def _split_seeds(
    standing: StudyEntry, record: TrialRecord | None, stored: Values | None
) -> list[int]:
    """Those over which a figure is the mean; empty of a single split."""
    result = standing.best.result if standing.best else {}
    if "seeds" in result:
        return sorted(seed["split_seed"] for seed in result["seeds"])
    if stored and SPLIT_SEEDS in stored:
        return sorted(stored[SPLIT_SEEDS])
    return sorted(repeat["split_seed"] for repeat in record.repeats) if record else []


def protocol_table(standings: Sequence[StudyEntry], title: str) -> Table | None:
    """Where the protocols differ in what decides on the rows; None where in nothing."""
    return _difference_table(_protocols(standings), title)


def configuration_table(standings: Sequence[StudyEntry], title: str) -> Table | None:
    """Where the best trials differ in all else; None where in nothing."""
    known = [
        (standing, {**flatten(standing.record.config), **_seeds(standing)})
        for standing in standings
        if standing.record is not None
    ]
    return _difference_table(
        [
            (standing, {k: v for k, v in values.items() if not _is_decisive(k) and k != "name"})
            for standing, values in known
        ],
        title,
    )


def _difference_table(known: Sequence[tuple[StudyEntry, Values]], title: str) -> Table | None:
    rows = [[key, *values] for key, values in _differences([values for _, values in known])]
    if not rows:
        return None
    return Table(["key", *(standing.label for standing, _ in known)], rows, title)


def how_it_was_done(standings: Sequence[StudyEntry]) -> Iterator[Table]:
    """What all have alike, then what differs, with whose it is."""
    records = [(standing, standing.record or standing.results.record) for standing in standings]
    known = [(s.label, dict(protocol_rows(s.results, record))) for s, record in records if record]
    labels = [label for label, _ in known]
    alike, different = [], []
    for part in dict.fromkeys(part for _, parts in known for part in parts):
        shared = _shared(labels, [parts.get(part, NOT_KNOWN) for _, parts in known])
        if len(shared) == 1:
            alike.append([part, *shared])
        else:
            different += [[f"{part}: {join_names(those)}", text] for text, those in shared.items()]
    columns = ["part", "as it was done"]
    if alike:
        whose = "all of them" if len(known) == len(standings) else join_names(labels)
        yield Table(columns, alike, f"As {whose} {'have' if len(known) > 1 else 'has'} it")
    if different:
        yield Table(columns, different, "Where it was done differently")
