"""One configuration trained once on each of several splits, and the mean of what came out.

The splits' trials are ordinary ones, each with a complete record in a directory
of its own; `trial.json` beside these has their means, see `TrialRecord`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from rich.console import Console

from sweeper.common.console import make_console, print_status
from sweeper.common.errors import ConfigError, OutputError, finishing
from sweeper.two_tower import record as records
from sweeper.two_tower.config import Config, to_dictionary
from sweeper.two_tower.record import Metrics, TrialRecord
from sweeper.two_tower.tracking.tracker import STANDALONE, Origin
from sweeper.two_tower.training.progress import TrainingProgress
from sweeper.two_tower.trial.aggregation import aggregate, mean, repeat_directory, take_repeats
from sweeper.two_tower.trial.result_tables import result_lines, result_table
from sweeper.two_tower.trial.trial import Report, Steps, Trial, run_trial
from sweeper.two_tower.validation import split_seed_problems, validate

if TYPE_CHECKING:
    from sweeper.two_tower.training.loop import Evaluation


def run_repeats(
    config: Config,
    split_seeds: Sequence[int],
    seed_mode: str,
    directory: Path,
    report: Report = lambda step, metrics: None,
    console: Console | None = None,
    draw: bool = True,
    origin: Origin = STANDALONE,
    fingerprint: str | None = None,
) -> TrialRecord:
    """Runs the trial once with each `data.split_seed`; without any, once as configured.

    Args:
      split_seeds: distinct; each one's record goes to `directory/split_seed_N`.
      seed_mode: "lockstep" trains all side by side, one evaluation each in turn, and
        reports (epoch, means) after each round; one that has stopped early goes on
        with the metrics that it kept. "sequential" trains one after the other and
        reports (index from 0, its metrics) after each.
      report: may raise to end all that still run.
      draw: whether to draw each one's `curves.png`.
      origin: the study that the trial is part of, for trackers; each repeat is a run of its own.
      fingerprint: of the data that all must be trained on; None: any.

    Raises:
      ConfigError: also for seeds that repeat, or that the split doesn't depend on.
      As `run_trial`, if one of the trials or `report` does.
    """
    if not split_seeds:
        return run_trial(config, directory, report, console, draw, origin, fingerprint)
    problems = list(split_seed_problems(split_seeds, config.data))
    if problems:
        raise ConfigError(problems)
    validate(config)
    mode = {"lockstep": _Lockstep, "sequential": _OneByOne}[seed_mode]
    console = console or make_console()
    repeats = mode(config, split_seeds, directory, console, draw, origin, fingerprint)
    records.create(directory, repeats.record)
    with finishing(repeats.finish), records.recording_outcome(directory, repeats.record):
        repeats.run(report)
    return repeats.record


class _Repeats(ABC):
    """The trials of the splits, and the record of their means."""

    def __init__(
        self,
        config: Config,
        split_seeds: Sequence[int],
        directory: Path,
        console: Console,
        draw: bool,
        origin: Origin,
        fingerprint: str | None,
    ) -> None:
        self.directory, self.console = directory, console
        self.record = TrialRecord(to_dictionary(config))
        self.trials = {
            seed: Trial(
                replace(config, data=replace(config.data, split_seed=seed)),
                directory / repeat_directory(seed),
                self.console_of_a_trial(),
                draw,
                replace(origin, split_seed=seed),
                fingerprint,
            )
            for seed in split_seeds
        }
        self.told: set[str] = set()
        # The one whose trial failed by itself.
        self.failed_seed: int | None = None

    @abstractmethod
    def run(self, report: Report) -> None:
        """Runs the trials of all splits."""

    @abstractmethod
    def console_of_a_trial(self) -> Console:
        """Where a trial shows how it goes."""

    @abstractmethod
    def counted(self) -> list[TrialRecord]:
        """Those of the records whose means are the summary's."""

    def next_step(self, seed: int, steps: Steps) -> Evaluation | None:
        """Takes one trial to its next evaluation; None: it was at its end."""
        try:
            return next(steps, None)
        except Exception:
            self.failed_seed = seed
            raise

    def warn(self, text: str) -> None:
        print_status(self.console, "warning", text)

    def finish(self) -> None:
        """Writes the summary, whatever the end was."""
        started = {
            seed: trial.record for seed, trial in self.trials.items() if trial.record.started
        }
        if started:
            take_repeats(self.record, started)
        counted = self.counted()
        if counted:
            aggregate(self.record, counted)
        if self.failed_seed is not None:
            self.record.reason = f"split_seed {self.failed_seed}: {self.record.reason}"
        records.close(self.directory, self.record)
        self.show()

    def show(self) -> None:
        """Prints the means, if there are any of all splits, and where the record lies."""
        self.console.print()
        if self.record.state == "completed":
            rows = "test" if "test" in self.record.metrics else self.record.rows
            self.console.print(result_table(self.record, rows))
            for topic, text in result_lines(self.record, rows):
                print_status(self.console, topic, text)
            self.console.print()
        print_status(
            self.console,
            "output",
            f"{self.directory} ({self.record.state}: {records.TRIAL}, "
            f"{', '.join(repeat['directory'] for repeat in self.record.repeats)})",
        )


class _OneByOne(_Repeats):
    """One split after the other."""

    def console_of_a_trial(self) -> Console:
        return self.console

    def run(self, report: Report) -> None:
        for index, (seed, trial) in enumerate(self.trials.items()):
            print_status(
                self.console, "repeat", f"split_seed {seed}, {index + 1} of {len(self.trials)}"
            )
            with closing(trial.steps()) as steps:
                while self.next_step(seed, steps):
                    pass
            report(index, trial.record.metrics[trial.record.rows])

    def counted(self) -> list[TrialRecord]:
        # Those that are through: the means with another's part would mislead.
        trials = self.trials.values()
        return [trial.record for trial in trials if trial.record.state == "completed"]


class _Lockstep(_Repeats):
    """All splits side by side."""

    def console_of_a_trial(self) -> Console:
        # They would all write at once; the means are shown instead.
        return Console(quiet=True, force_terminal=False)

    def run(self, report: Report) -> None:
        seeds, config = ", ".join(map(str, self.trials)), self.record.config
        print_status(self.console, "repeats", f"split seeds {seeds} side by side")
        running = {seed: trial.steps() for seed, trial in self.trials.items()}
        epochs, metric = config["train"]["epochs"], config["evaluation"]["metric"]
        progress = TrainingProgress(self.console, epochs, self.record.rows, metric)
        with progress, self.ending_together(running):
            while checkpoints := self.round(running):
                self.tell_warnings()
                checkpoint = self.mean_checkpoint(checkpoints)
                progress.on_epoch(checkpoint.epoch, checkpoint.loss, checkpoint.examples_per_second)
                progress.on_checkpoint(checkpoint)
                report(checkpoint.epoch, checkpoint.metrics)

    def round(self, running: dict[int, Steps]) -> dict[int, Evaluation]:
        """Takes each trial to its next evaluation; drops those that are through."""
        checkpoints = {}
        for seed, steps in list(running.items()):
            checkpoint = self.next_step(seed, steps)
            if checkpoint:
                checkpoints[seed] = checkpoint
            else:
                del running[seed]
        return checkpoints

    def mean_checkpoint(self, checkpoints: Mapping[int, Evaluation]) -> Evaluation:
        """The mean over all; one that has stopped early goes on with what it kept."""
        at_work = list(checkpoints.values())
        metrics: list[Metrics] = [
            checkpoints[seed].metrics
            if seed in checkpoints
            else trial.record.metrics[trial.record.rows]
            for seed, trial in self.trials.items()
        ]
        return replace(
            at_work[0],
            loss=fmean(checkpoint.loss for checkpoint in at_work),
            metrics=mean(metrics),
            train_seconds=sum(checkpoint.train_seconds for checkpoint in at_work),
            evaluate_seconds=sum(checkpoint.evaluate_seconds for checkpoint in at_work),
            examples_per_second=fmean(checkpoint.examples_per_second for checkpoint in at_work),
        )

    @contextmanager
    def ending_together(self, running: Mapping[int, Steps]) -> Iterator[None]:
        """Ends all trials the way that the round ended; a failure is one trial's own."""
        try:
            yield
        except BaseException as error:
            end = error if self.failed_seed is None else GeneratorExit()
            for steps in running.values():
                # A record that can't be written doesn't keep the others from theirs.
                with suppress(type(end), OutputError):
                    steps.throw(end)
            raise

    def counted(self) -> list[TrialRecord]:
        return [trial.record for trial in self.trials.values()]

    def tell_warnings(self) -> None:
        """Shows what the trials' own consoles have kept quiet about, once for all of them."""
        found = dict.fromkeys(text for trial in self.trials.values() for text in trial.warnings)
        for text in found:
            if text not in self.told:
                self.told.add(text)
                self.warn(text)

    def show(self) -> None:
        self.tell_warnings()
        for tracker, reason in self.record.untracked.items():
            print_status(self.console, "tracking", f"{tracker} was left out: {reason}")
        super().show()
