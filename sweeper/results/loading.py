"""Loads the results of studies and single runs from their directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sweeper.common.errors import ConfigError, OutputError
from sweeper.results.confirmation_loading import load_confirmation, retraining_directories
from sweeper.results.scored_rows import read_ranks
from sweeper.results.study_results import MAX_COMPARED, StudyResults
from sweeper.results.towers import best_of_each_depth
from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row, leaderboard_rows
from sweeper.study.outputs.trial_states import objectives_of
from sweeper.study.storage.factory import load_study
from sweeper.study.storage.markers import MARKERS, holds_study
from sweeper.two_tower import record as records
from sweeper.two_tower.config import with_defaults
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.studies import confirmation, reference
from sweeper.two_tower.trial.summary import summarize

# (done, total): the progress of reading.
OnRead = Callable[[int, int], None]

# A trial in one of these states may have no files: it may have ended before it wrote any.
MAY_LACK_FILES = ("waiting", "running", "failed", "interrupted")
STATES = {"completed": "complete"}
EXAMPLES = 3


def load_results(directory: Path, on_read: OnRead = lambda done, total: None) -> StudyResults:
    """Loads the results of a study or a run.

    Only the study's database, or the run's record, is required. Anything else that is missing or
    damaged is left out and named in `problems`.

    Raises:
      OutputError: there is no study or run, it can't be read, or it has nothing to show.
    """
    if holds_study(directory):
        return _load_study(directory, on_read)
    if (directory / records.TRIAL).exists():
        return _load_run(directory)
    if not directory.is_dir():
        raise OutputError(
            f"{directory}: is not a directory; must be the directory of a study or a run"
        )
    raise OutputError(
        f"{directory}: holds neither a study ({MARKERS[0]}) nor a run ({records.TRIAL}); must be a "
        f"directory that python -m sweeper left{_examples(directory)}"
    )


def _examples(directory: Path) -> str:
    """Names studies and runs below the directory, one of which the user may have meant."""
    names = (*MARKERS, records.TRIAL)
    places = sorted({path.parent for name in names for path in directory.glob(f"*/{name}")})
    found = ", ".join(map(str, places[:EXAMPLES]))
    more = ", …" if len(places) > EXAMPLES else ""
    return f": {found}{more}" if found else ""


def _load_study(directory: Path, on_read: OnRead) -> StudyResults:
    study = load_study(directory, check=True)
    objectives = objectives_of(study)
    # Read before the rows, which then include each of these: the study may still run.
    trials = study.get_trials(deepcopy=False)
    rows = leaderboard_rows(study)
    if not any(row.state != "waiting" for row in rows):
        raise OutputError(
            f"{directory}: no trial of its study has started; must have one to report on"
        )
    best = rows[0].number if rows[0].rank == 1 else None
    confirmation, problems = load_confirmation(directory, best)
    results = StudyResults(
        directory, study.study_name, objectives, rows, study, trials,
        confirmation=confirmation, problems=problems,
    )  # fmt: skip
    results.seconds_beside.update(_seconds_beside(directory, results.problems))
    _read_records(results, on_read)
    return results


def _seconds_beside(directory: Path, problems: list[str]) -> Iterator[tuple[str, float]]:
    """Yields the seconds of the reference and the confirmations below a study's directory."""
    for name in (reference.DIRECTORY, confirmation.DIRECTORY):
        seconds = []
        for place in retraining_directories(directory, name):
            try:
                seconds.append(load_study(place).user_attrs.get(attributes.SECONDS, 0.0))
            except OutputError as error:
                problems.append(f"{error}; left out: its time")
        if any(seconds):
            yield name, sum(seconds)


def _read_records(results: StudyResults, on_read: OnRead) -> None:
    """Reads the files of all trials; fills `records`, `repeats` and `problems`."""
    missing: list[str] = []
    for index, row in enumerate(results.rows, start=1):
        if row.directory is not None:
            place = results.directory / row.directory
            if not (place / records.TRIAL).exists():
                missing += [] if row.state in MAY_LACK_FILES else [str(place / records.TRIAL)]
            elif record := _read(place, results.problems):
                results.records[row.number] = record
                results.problems.extend(_history_problems(place, row, record))
                if record.repeats:
                    results.repeats[row.number] = dict(_repeats(place, record, results.problems))
        on_read(index, len(results.rows))
    results.problems.extend(_missing_problems(missing, results))
    _read_ranks(results)


def _read_ranks(results: StudyResults) -> None:
    """Reads the ranks of the trials that were configured to save them; fills `ranks`."""
    places: dict[int | str, Path] = {}
    of_depths = [each.row for each in best_of_each_depth(results).values()]
    for row in [*results.ranked[:MAX_COMPARED], *of_depths]:
        record = results.records.get(row.number)
        if record and not record.repeats and record.config["evaluation"].get("save_ranks"):
            places[row.number] = results.directory / str(row.directory)
    if places and results.reference and len(results.reference["runs"]) == 1:
        (run,) = results.reference["runs"]
        places[results.reference["name"]] = results.directory / run["directory"]
    for key, place in places.items():
        try:
            results.ranks[key] = read_ranks(place / records.ROWS[results.evaluation_split])
        except OutputError as error:
            results.problems.append(f"{error}; left out: the significance of its value")


def _read(place: Path, problems: list[str]) -> TrialRecord | None:
    try:
        record = records.read(place)
        record.config = with_defaults(record.config)
        return record
    except OutputError as error:
        problems.append(f"{error}; left out: the curve, times and configuration of this trial")
        return None


def _history_problems(place: Path, row: Row, record: TrialRecord) -> Iterator[str]:
    if not record.history and row.state not in MAY_LACK_FILES and not record.repeats:
        yield f"{place / records.HISTORY}: is missing; left out: the curve of this trial"


def _repeats(
    place: Path, record: TrialRecord, problems: list[str]
) -> Iterator[tuple[int, TrialRecord]]:
    for repeat in record.repeats:
        if found := _read(place / repeat["directory"], problems):
            yield repeat["split_seed"], found


def _missing_problems(missing: list[str], results: StudyResults) -> Iterator[str]:
    if not missing:
        return
    if not results.records:
        yield (
            f"{results.directory}: no trial has a record ({records.TRIAL}); left out: curves, "
            "protocol, times and configuration"
        )
        return
    for path in missing:
        yield f"{path}: is missing; left out: the curve, times and configuration of this trial"


def _load_run(directory: Path) -> StudyResults:
    """Loads a single run, as a study of one trial."""
    record = records.read(directory)
    record.config = with_defaults(record.config)
    result = summarize(directory) or {}
    objective = ObjectiveConfig(record.config["evaluation"]["metric"])
    value = record.metrics.get(record.rows, {}).get(objective.metric)
    row = Row(
        number=0,
        state=STATES.get(record.state, record.state),
        rank=1 if record.state == "completed" else None,
        directory=".",
        values=[] if value is None else [value],
        result=result,
        seconds=record.seconds.get("total"),
        reason=record.reason,
    )
    name = record.config.get("name") or directory.resolve().name
    results = StudyResults(directory, name, [objective], [row], records={0: record})
    results.problems.extend(_history_problems(directory, row, record))
    results.repeats[0] = dict(_repeats(directory, record, results.problems))
    _read_ranks(results)
    return results


def load_all_results(
    directories: Sequence[Path], on_read: OnRead = lambda done, total: None
) -> tuple[list[StudyResults], list[str]]:
    """Loads several studies and runs.

    Returns:
      The results, and a message for each directory that can't be read.

    Raises:
      ConfigError: none of them can be read; with a line for each.
    """
    studies: list[StudyResults] = []
    unread: list[str] = []
    for directory in directories:
        try:
            studies.append(load_results(directory, on_read))
        except OutputError as error:
            unread.append(str(error))
    if not studies:
        raise ConfigError(unread)
    return studies, unread
