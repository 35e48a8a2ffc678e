"""How to reproduce the result: the command, the configuration, versions and machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf

from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Block, Code, Section, Table, Text
from sweeper.results.formatting import join_code, value_text
from sweeper.results.study_results import StudyResults
from sweeper.study import attributes
from sweeper.study.outputs.result_files import BEST, shown_path
from sweeper.two_tower.record import TrialRecord


def reproduction_section(comparison: StudyComparison) -> Section | None:
    """None for a single study without any record."""
    study = comparison.single
    blocks = list(_of_several(comparison) if study is None else _of_one(study))
    return Section("reproduce", "Reproduce", blocks) if blocks else None


def _of_several(comparison: StudyComparison) -> Iterator[Block]:
    for entry in comparison.entries:
        if entry.record is not None:
            yield Text(f"**{entry.label}**")
            yield from _commands(entry.results, entry.record)
    directories = join_code(str(results.directory) for results in comparison.studies)
    yield Text(f"`python -m sweeper.report DIRECTORY` has more on each of {directories}.", "note")


def _of_one(study: StudyResults) -> Iterator[Block]:
    if record := study.record:
        yield from _commands(study, record)
        yield _configuration(study, record)
        environment = [list(pair) for pair in _environment(record)]
        yield Table(["what", "which"], environment, "Versions and machine")


def _commands(results: StudyResults, record: TrialRecord) -> Iterator[Block]:
    """What runs the best trial again, and what started the study or the run."""
    if results.study is not None and (results.directory / BEST).exists():
        place = shlex.quote(str(shown_path(results.directory)))
        command = (
            f"python -m sweeper --config-dir {place} --config-name {BEST.removesuffix('.yaml')}"
        )
        unseen = not record.config["evaluation"]["score_test"]
        yield Text("Run the best trial again, to the same results:")
        yield Code(command, "sh")
        if unseen:
            yield Text("Run it again and score the test rows once, at the end:")
            yield Code(f"{command} evaluation.score_test=true", "sh")
    # A trial in a study has the command that its launcher started.
    own = started_with(record.command) if record.command else None
    started = results.study.user_attrs.get(attributes.COMMAND, own) if results.study else own
    if started:
        whole = "The whole study" if results.study is not None else "The run"
        yield Text(f"{whole} was started with:")
        yield Code(started, "sh")


def started_with(command: list[str]) -> str:
    """The command line as a user would write it."""
    program, *arguments = command
    is_module = program.endswith("__main__.py")
    own = "python -m sweeper" if is_module else f"python {shlex.quote(program)}"
    return " ".join([own, *map(shlex.quote, arguments)])


def _configuration(results: StudyResults, record: TrialRecord) -> Code:
    best = results.best
    if results.study is None:
        which = "this run"
    elif best is None:
        which = "a trial; none is complete"
    elif best.number not in results.records:
        which = "a trial: the best one's can't be read"
    else:
        which = f"the best trial, {best.number}"
    return Code(
        OmegaConf.to_yaml(OmegaConf.create(record.config)).strip(),
        "yaml",
        f"Configuration of {which}",
    )


def _environment(record: TrialRecord) -> Iterator[tuple[str, str]]:
    yield from record.versions.items()
    machine: dict[str, Any] = record.machine
    yield from ((name, value_text(value)) for name, value in machine.items())
    if record.git_commit:
        changed = ", with changes" if record.git_commit.endswith("+") else ""
        yield "git commit", record.git_commit.removesuffix("+") + changed
    if record.data.get("fingerprint"):
        yield "data", record.data["fingerprint"]
    if record.started:
        yield "started", record.started
    if record.peak_memory_mb:
        yield "most memory", f"{record.peak_memory_mb:,.0f} MB"
