"""How to have the result again: the command, the configuration, versions and machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf

from sweeper.report.rendering.page import Block, Code, Section, Table, Text
from sweeper.results.formatting import value_text
from sweeper.results.study_results import StudyResults
from sweeper.study import attributes
from sweeper.study.outputs.result_files import BEST, shown_path
from sweeper.two_tower.record import TrialRecord


def reproduction_section(results: StudyResults) -> Section | None:
    """None without any record."""
    record = results.record
    if record is None:
        return None
    blocks = [*commands(results, record), *_configuration(results, record)]
    blocks.append(
        Table(["what", "which"], [[*row] for row in _environment(record)], "Versions and machine")
    )
    return Section("reproduce", "To have it again", blocks)


def commands(results: StudyResults, record: TrialRecord) -> Iterator[Block]:
    """What runs the best trial again, and what started the study or the run."""
    if results.study is not None and (results.directory / BEST).exists():
        place = shlex.quote(str(shown_path(results.directory)))
        command = (
            f"python -m sweeper --config-dir {place} --config-name {BEST.removesuffix('.yaml')}"
        )
        unseen = not record.config["evaluation"]["score_test"]
        yield Text("The best trial again, to the same figures:")
        yield Code(command, "sh")
        if unseen:
            yield Text("The same, and the test rows scored once, at the end:")
            yield Code(f"{command} evaluation.score_test=true", "sh")
    # Of a trial in a study it is what its launcher started.
    own = started_with(record.command) if record.command else None
    started = results.study.user_attrs.get(attributes.COMMAND, own) if results.study else own
    if started:
        whole = "The whole study" if results.study is not None else "The run"
        yield Text(f"{whole}, as it was started:")
        yield Code(started, "sh")


def started_with(command: list[str]) -> str:
    """The command line as a user would write it."""
    program, *arguments = command
    is_module = program.endswith("__main__.py")
    own = "python -m sweeper" if is_module else f"python {shlex.quote(program)}"
    return " ".join([own, *map(shlex.quote, arguments)])


def _configuration(results: StudyResults, record: TrialRecord) -> Iterator[Block]:
    best = results.best
    which = "the best trial"
    if results.study is None:
        which = "this run"
    elif best is None:
        which = "a trial; none is complete"
    elif best.number not in results.records:
        which = "a trial: the best one's can't be read"
    else:
        which = f"the best trial, {best.number}"
    yield Code(
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
