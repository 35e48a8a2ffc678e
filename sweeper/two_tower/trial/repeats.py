"""One configuration trained once on each of several splits, and the mean of the results.

The trials of the splits are ordinary ones, each with a complete record in a directory of its own.
The `trial.json` beside these directories has their means, see `TrialRecord`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from rich.console import Console

from sweeper.common.console import make_console, print_status
from sweeper.common.errors import ConfigError, OutputError, finishing
from sweeper.two_tower import record as records
from sweeper.two_tower.config import Config, to_dictionary
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.tracking.tracker import STANDALONE, Origin
from sweeper.two_tower.training.progress import TrainingProgress
from sweeper.two_tower.trial.aggregation import aggregate, describe_repeats, mean, repeat_directory
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
      split_seeds: distinct; the record of each one goes to `directory/split_seed_N`.
      seed_mode: "lockstep" trains all side by side, one evaluation each in turn, and
        reports (epoch, means) after each round; a trial that has stopped early goes on
        with the metrics that it kept. "sequential" trains one after the other and
        reports (index from 0, its metrics) after each.
      report: may raise to end all trials that still run.
      draw: whether to draw the `curves.png` of each trial.
      origin: the study that the trial is part of, for trackers; each repeat is a run of its own.
      fingerprint: of the data that all must be trained on; None: any data.

    Raises:
      ConfigError: also for seeds that are given twice, or that the split doesn't depend on.
      The errors of `run_trial`: if one of the trials or `report` raises them.
    """
    if not split_seeds:
        return run_trial(config, directory, report, console, draw, origin, fingerprint)
    problems = list(split_seed_problems(split_seeds, config.data))
    if problems:
        raise ConfigError(problems)
    validate(config)
    console = console or make_console()
    mode = {"lockstep": _Lockstep, "sequential": _Sequential}[seed_mode]
    # Side by side, all trials would print at once; their means are printed instead.
    quiet = Console(quiet=True, force_terminal=False)
    trial_console = quiet if mode is _Lockstep else console
    trials = {
        seed: Trial(
            replace(config, data=replace(config.data, split_seed=seed)),
            directory / repeat_directory(seed),
            trial_console,
            draw,
            replace(origin, split_seed=seed),
            fingerprint,
        )
        for seed in split_seeds
    }
    record = TrialRecord(to_dictionary(config))
    repeats = mode(directory, console, record, trials)
    records.create(directory, record)
    with finishing(repeats.finish), records.recording_outcome(directory, record):
        repeats.run(report)
    return record


@dataclass
class _Repeats(ABC):
    """The trials of the splits, and the record of their means.

    Attributes:
      trials: by split seed.
      failed_seed: the split seed of the trial that failed; None: none failed.
    """

    directory: Path
    console: Console
    record: TrialRecord
    trials: dict[int, Trial]
    failed_seed: int | None = None

    @abstractmethod
    def run(self, report: Report) -> None:
        """Runs the trials of all splits."""

    @abstractmethod
    def averaged_records(self) -> list[TrialRecord]:
        """Returns the records whose means the summary has."""

    def next_evaluation(self, seed: int, steps: Steps) -> Evaluation | None:
        """Runs one trial up to its next evaluation; returns None when the trial is complete."""
        try:
            return next(steps, None)
        except Exception:
            self.failed_seed = seed
            raise

    def finish(self) -> None:
        """Writes and prints the summary, however the trials ended."""
        started = {
            seed: trial.record for seed, trial in self.trials.items() if trial.record.started
        }
        if started:
            describe_repeats(self.record, started)
        if averaged := self.averaged_records():
            aggregate(self.record, averaged)
        if self.failed_seed is not None:
            self.record.reason = f"split_seed {self.failed_seed}: {self.record.reason}"
        records.close(self.directory, self.record)
        self.print_summary()

    def print_summary(self) -> None:
        """Prints the means over all splits, if there are any, and where the record is."""
        self.console.print()
        if self.record.state == "completed":
            rows = "test" if "test" in self.record.metrics else self.record.rows
            self.console.print(result_table(self.record, rows))
            for topic, text in result_lines(self.record, rows):
                print_status(self.console, topic, text)
            self.console.print()
        names = [records.TRIAL, *(repeat["directory"] for repeat in self.record.repeats)]
        text = f"{self.directory} ({self.record.state}: {', '.join(names)})"
        print_status(self.console, "output", text)


class _Sequential(_Repeats):
    """Trains on one split after the other."""

    def run(self, report: Report) -> None:
        for index, (seed, trial) in enumerate(self.trials.items()):
            text = f"split_seed {seed}, {index + 1} of {len(self.trials)}"
            print_status(self.console, "repeat", text)
            with closing(trial.steps()) as steps:
                while self.next_evaluation(seed, steps):
                    pass
            report(index, trial.record.metrics[trial.record.rows])

    def averaged_records(self) -> list[TrialRecord]:
        # Means that included a part of another trial would mislead.
        trials = self.trials.values()
        return [trial.record for trial in trials if trial.record.state == "completed"]


@dataclass
class _Lockstep(_Repeats):
    """Trains on all splits side by side."""

    printed_warnings: set[str] = field(default_factory=set)

    def run(self, report: Report) -> None:
        seeds, config = ", ".join(map(str, self.trials)), self.record.config
        print_status(self.console, "repeats", f"split seeds {seeds} side by side")
        running = {seed: trial.steps() for seed, trial in self.trials.items()}
        epochs, metric = config["train"]["epochs"], config["evaluation"]["metric"]
        progress = TrainingProgress(self.console, epochs, self.record.rows, metric)
        with progress, self.ending_together(running):
            while evaluations := self.next_round(running):
                self.print_new_warnings()
                evaluation = self.mean_evaluation(evaluations)
                progress.on_epoch(evaluation.epoch, evaluation.loss, evaluation.examples_per_second)
                progress.on_evaluation(evaluation)
                report(evaluation.epoch, evaluation.metrics)

    def next_round(self, running: dict[int, Steps]) -> dict[int, Evaluation]:
        """Runs each trial up to its next evaluation; drops trials that are complete."""
        evaluations = {}
        for seed, steps in list(running.items()):
            if evaluation := self.next_evaluation(seed, steps):
                evaluations[seed] = evaluation
            else:
                del running[seed]
        return evaluations

    def mean_evaluation(self, evaluations: Mapping[int, Evaluation]) -> Evaluation:
        """Returns the mean over all trials, with the kept metrics of those that stopped early."""
        latest = list(evaluations.values())
        metrics = [
            evaluations[seed].metrics
            if seed in evaluations
            else trial.record.metrics[trial.record.rows]
            for seed, trial in self.trials.items()
        ]
        return replace(
            latest[0],
            loss=fmean(each.loss for each in latest),
            metrics=mean(metrics),
            train_seconds=sum(each.train_seconds for each in latest),
            evaluate_seconds=sum(each.evaluate_seconds for each in latest),
            examples_per_second=fmean(each.examples_per_second for each in latest),
        )

    @contextmanager
    def ending_together(self, running: Mapping[int, Steps]) -> Iterator[None]:
        """Ends all trials with the error that ended the round, unless one of them failed itself."""
        try:
            yield
        except BaseException as error:
            end = error if self.failed_seed is None else GeneratorExit()
            for steps in running.values():
                # A record that can't be written must not keep the other trials from theirs.
                with suppress(type(end), OutputError):
                    steps.throw(end)
            raise

    def averaged_records(self) -> list[TrialRecord]:
        return [trial.record for trial in self.trials.values()]

    def print_new_warnings(self) -> None:
        """Prints once what the quiet consoles of the trials have left out."""
        for trial in self.trials.values():
            for text in trial.recorder.warnings:
                if text not in self.printed_warnings:
                    self.printed_warnings.add(text)
                    print_status(self.console, "warning", text)

    def print_summary(self) -> None:
        self.print_new_warnings()
        for tracker, reason in self.record.untracked.items():
            print_status(self.console, "tracking", f"{tracker} was left out: {reason}")
        super().print_summary()
