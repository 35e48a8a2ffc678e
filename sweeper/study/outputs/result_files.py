"""Writes the results of a study: `optimization_results.yaml`, `best.yaml`, the leaderboard."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from omegaconf import OmegaConf
from rich.console import Console

from sweeper.common.console import print_status
from sweeper.common.output_files import atomic_write
from sweeper.study.app import App
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row, leaderboard_rows, seed_values, write_leaderboard
from sweeper.study.outputs.leaderboard_table import leaderboard_table
from sweeper.study.outputs.number_formats import number_text, values_text
from sweeper.study.outputs.trial_states import objectives_of

if TYPE_CHECKING:
    from sweeper.study.plan import Plan

RESULTS, BEST = "optimization_results.yaml", "best.yaml"
# The head of best.yaml names at most this many other solutions.
NAMED_SOLUTIONS = 20


def show_results(study: optuna.Study, plan: Plan, console: Console) -> None:
    """Writes all results, and prints the best trials and the paths of the files.

    A study that selects no trial only has a leaderboard.
    """
    if not plan.selects:
        print_status(console, "output", str(write_leaderboard(study, plan.directory)))
        return
    seeds = (plan.study.split_seeds, plan.study.seed_mode)
    paths = write_results(study, plan.directory, plan.app, *seeds)
    rows = leaderboard_rows(study)
    console.print()
    console.print(leaderboard_table(rows, objectives_of(study), plan.app))
    console.print()
    for line in _untracked(rows):
        print_status(console, "tracking", line)
    print_status(console, "output", f"{plan.directory} ({', '.join(path.name for path in paths)})")
    if paths[-1].name == BEST:
        print_status(console, "best", _command(plan.directory))


def _untracked(rows: Sequence[Row]) -> Iterator[str]:
    """Yields a line for each tracker that failed."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for tracker, reason in (row.result.get("untracked") or {}).items():
            reasons.setdefault(tracker, []).append(f"{row.directory}: {reason}")
    for tracker, found in reasons.items():
        yield f"{tracker} was left out of {len(found)} of {len(rows)} trials; {found[0]}"


def write_results(
    study: optuna.Study,
    directory: Path,
    app: App,
    split_seeds: Sequence[int] = (),
    seed_mode: str = "lockstep",
) -> list[Path]:
    """Writes all results; returns their paths in the order in which to list them.

    `best.yaml` is not written if no trial is complete and feasible, or if the best trial has no
    configuration.

    Args:
      study: the study.
      directory: the directory of the study.
      app: reads the configuration of the best trial.
      split_seeds: the split seeds that each trial was trained with.
      seed_mode: the study's `seed_mode`.

    Raises:
      OutputError: a file can't be written, or the best trial's record can't be read.
    """
    objectives = objectives_of(study)
    rows = leaderboard_rows(study)
    paths = [write_leaderboard(study, directory), directory / RESULTS]
    atomic_write(directory / RESULTS, results_text(rows, objectives).encode())
    best = rows[0] if rows and rows[0].rank == 1 else None
    config = app.recorded_config(directory / best.directory) if best and best.directory else None
    if config is not None:
        seeds = {"split_seeds": list(split_seeds), "seed_mode": seed_mode} if split_seeds else None
        head = list(_head(study.study_name, directory, rows, objectives))
        atomic_write(directory / BEST, best_text(head, config, seeds).encode())
        paths.append(directory / BEST)
    return paths


def results_text(rows: Sequence[Row], objectives: Sequence[ObjectiveConfig]) -> str:
    """Returns what Hydra's Optuna sweeper writes, and where each trial is.

    Args:
      rows: all rows of `sweeper.study.outputs.leaderboard.leaderboard_rows`, in their order.
      objectives: the study's objectives.
    """
    best = [row for row in rows if row.rank == 1]
    results: dict[str, Any] = {"name": "optuna"}
    head = ""
    if len(objectives) > 1:
        solutions = [{"params": row.params, "values": row.values, **_where(row)} for row in best]
        results["solutions"] = solutions
    elif best:
        results |= {"best_params": best[0].params, "best_value": best[0].values[0]}
        results |= _where(best[0]) | _spread(best[0], objectives[0].metric)
    else:
        results["best_params"] = None
    if not best:
        head = f"# None of the {len(rows)} trials is complete and feasible.\n"
    return head + OmegaConf.to_yaml(OmegaConf.create(results))


def _where(row: Row) -> dict[str, Any]:
    return {"number": row.number, "directory": row.directory, "overrides": row.overrides}


def _spread(row: Row, metric: str) -> dict[str, Any]:
    """Returns the deviation over seeds and the value with each; empty without seeds."""
    seeds = [
        {"split_seed": seed, "value": value} for seed, value in seed_values(row, metric).items()
    ]
    deviation = (row.result.get("deviations") or {}).get(metric)
    return ({} if deviation is None else {"best_std": deviation}) | (
        {"seeds": seeds} if seeds else {}
    )


def best_text(
    head: Sequence[str], config: dict[str, Any], seeds: dict[str, Any] | None = None
) -> str:
    """Returns a primary configuration that contains all of `config`, whatever the defaults become.

    Args:
      head: the lines of the comment at its top.
      config: the configuration of the trial.
      seeds: the part of the section `study` that sets which splits to train on.
    """
    content = {"defaults": ["config", "_self_"], **config}
    if seeds:
        content["study"] = seeds
    comment = "".join(f"# {line}\n" for text in head for line in text.splitlines())
    return comment + OmegaConf.to_yaml(OmegaConf.create(content))


def _head(
    name: str, directory: Path, rows: Sequence[Row], objectives: Sequence[ObjectiveConfig]
) -> Iterator[str]:
    """Yields purpose, result, cost and command, in the form of the shipped studies."""
    best, others = rows[0], [row for row in rows if row.rank == 1][1:]
    complete = sum(row.rank is not None for row in rows)
    which = f"trial {best.number} ({best.directory}) of the study {name!r}"
    trials = f"{complete:,} complete trial{'s' if complete != 1 else ''}"
    if len(objectives) == 1:
        yield f"Why: the best of {trials}: {which}."
    else:
        yield f"Why: of {trials}, it has the best {objectives[0].metric}: {which}."
    yield f"Result: {_values(best, objectives)}"
    if len(objectives) == 1:
        for seed, value in seed_values(best, objectives[0].metric).items():
            yield f"  split seed {seed}: {'-' if value is None else number_text(value)}"
    if best.seconds is not None:
        yield f"Cost: {best.seconds:,.1f} s"
    yield f"Command: {_command(directory)}"
    yield f"Written: {datetime.now():%Y-%m-%d %H:%M}"
    if others:
        yield f"It is one of {len(others) + 1:,} in the Pareto set. The others:"
    for row in others[:NAMED_SOLUTIONS]:
        yield f"  {row.directory}: {_values(row, objectives)}"
    if len(others) > NAMED_SOLUTIONS:
        yield f"  and {len(others) - NAMED_SOLUTIONS:,} more in {RESULTS}"
    if others:
        yield "The configuration of each is in its trial.json."


def _command(directory: Path) -> str:
    """Returns the command that runs best.yaml from the current working directory."""
    place = shlex.quote(str(shown_path(directory)))
    return f"python -m sweeper --config-dir {place} --config-name best"


def shown_path(path: Path) -> Path:
    """Returns a path relative to the current working directory if it is inside."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _values(row: Row, objectives: Sequence[ObjectiveConfig]) -> str:
    values = values_text(row.values, row.result, objectives)
    return ", ".join(f"{o.metric} {value}" for o, value in zip(objectives, values, strict=True))
