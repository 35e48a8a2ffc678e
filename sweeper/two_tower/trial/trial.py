"""One trial: from a configuration to a trained, scored and recorded model."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sweeper.common.console import make_console, print_status
from sweeper.common.errors import finishing
from sweeper.common.output_files import atomic_write
from sweeper.common.runtime import set_threads, start_tensorflow
from sweeper.two_tower import record as records
from sweeper.two_tower.config import Config, to_dictionary
from sweeper.two_tower.data.histories import history_ties
from sweeper.two_tower.data.interactions import Interactions, check_contents
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import Split, check_sizes
from sweeper.two_tower.evaluation.baselines import Baseline, check_baselines
from sweeper.two_tower.evaluation.best_possible import best_possible, is_known
from sweeper.two_tower.evaluation.ranking import RankingTask, Ranks
from sweeper.two_tower.evaluation.row_parts import HISTORY_LENGTH, TIME_SINCE_TRAINING
from sweeper.two_tower.evaluation.rows import (
    as_parquet,
    coverage,
    metrics_by,
    metrics_by_repetition,
    metrics_by_warmth,
    row_table,
)
from sweeper.two_tower.evaluation.saturation import known_saturation, observed_saturation
from sweeper.two_tower.model.fitting import check_columns
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.tracking.tracker import STANDALONE, Origin
from sweeper.two_tower.tracking.trackers import Trackers
from sweeper.two_tower.training.progress import TrainingProgress
from sweeper.two_tower.trial.curves import draw_curves
from sweeper.two_tower.trial.environment import note_environment
from sweeper.two_tower.trial.prepared import prepared_baselines, prepared_split, prepared_tasks
from sweeper.two_tower.trial.result_tables import (
    data_lines,
    model_table,
    parts_table,
    result_lines,
    result_table,
)
from sweeper.two_tower.validation import validate

if TYPE_CHECKING:
    from sweeper.two_tower.evaluation.scoring import ModelScorer
    from sweeper.two_tower.training.loop import Evaluation, History
    from sweeper.two_tower.training.setup import Training

# Called after each evaluation with (epoch, metrics); may raise to end the trial.
Report = Callable[[int, dict[str, float]], None]

Steps = Generator["Evaluation", None, None]


def run_trial(
    config: Config,
    directory: Path,
    report: Report = lambda epoch, metrics: None,
    console: Console | None = None,
    draw: bool = True,
    origin: Origin = STANDALONE,
    fingerprint: str | None = None,
) -> TrialRecord:
    """Trains the configured model, scores it and writes the record to `directory`.

    Args:
      report: called with (epoch, metrics) after each evaluation; may raise to end the trial.
      draw: whether to draw `curves.png`.
      origin: the study that the trial is part of, for trackers.
      fingerprint: of the data that it must be trained on; None: any.

    Raises:
      ConfigError, DataError: before anything is trained.
      OutputError: the directory holds a trial or can't be written.
      TrialError: a loss or a score is not finite.
      TrialPruned, KeyboardInterrupt, and what else `report` raises: after what there
        is has been written.
    """
    validate(config)
    console = console or make_console()
    trial = Trial(config, directory, console, draw, origin, fingerprint)
    with closing(trial.steps()) as steps:
        for checkpoint in steps:
            try:
                report(checkpoint.epoch, checkpoint.metrics)
            except BaseException as error:
                # Raises it again, once the trial has written what there is.
                steps.throw(error)
    return trial.record


class Trial:
    """The stages of a trial, and the record that they fill.

    Args:
      config: that `validate` has passed.
      directory: where the record goes; made by the first step.
      draw: whether to draw `curves.png`.
      origin: the study that it is part of, for trackers.
      fingerprint: of the data that it must be trained on; None: any.
    """

    def __init__(
        self,
        config: Config,
        directory: Path,
        console: Console,
        draw: bool,
        origin: Origin = STANDALONE,
        fingerprint: str | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self.config, self.directory = config, directory
        self.console, self.draw = console, draw
        self.record = TrialRecord(to_dictionary(config))
        self.trackers = Trackers(config.tracking, directory, origin, self.record, self.print_status)
        self.threads, self.started = 1, 0.0
        # Of each part that was scored, by the weights that were kept.
        self.ranks: dict[str, Ranks] = {}
        self.warnings: list[str] = []

    def steps(self) -> Steps:
        """Runs the trial, and stops at each evaluation, so that several can take turns.

        What is thrown into it there ends the trial; `trial.record.recording_outcome` says how.
        """
        records.create(self.directory, self.record)
        # Without the time between two steps, which is the caller's.
        self.started = time.perf_counter()
        with finishing(self.finish), records.recording_outcome(self.directory, self.record):
            yield from self.run()

    def run(self) -> Steps:
        config = self.config
        self.threads = set_threads(config.train.threads)
        with self.stage("load_data"):
            interactions = load_interactions(
                config.data, lambda text: self.print_status("data", text)
            )
        check_contents(interactions, self.fingerprint)
        check_sizes(config.data, len(interactions))
        check_columns(config.features, interactions)
        check_baselines(config.evaluation, interactions.num_users, interactions.num_items)
        # Only now, so that errors in the configuration and the data come at once.
        with self.stage("import_tensorflow"):
            start_tensorflow()
            from sweeper.two_tower.training.setup import set_up_training
        note_environment(self.record, self.threads)
        with self.pause():
            self.trackers.begin()
        with self.stage("set_up"):
            split = prepared_split(config.data, interactions)
            self.describe_data(interactions, split)
            training = set_up_training(config, interactions, split.train, self.threads)
            self.describe_model(training)
        with self.stage("baselines"):
            tasks = prepared_tasks(config.data, config.evaluation, interactions, split)
            baselines = prepared_baselines(
                config.data, config.evaluation, interactions, split, tasks, self.threads
            )
            self.record.baselines = {
                name: {rows: ranks.metrics() for rows, ranks in baseline.ranks.items()}
                for name, baseline in baselines.items()
            }
            if is_known(config.data, config.evaluation):
                self.record.data["best_possible"] = {
                    rows: best_possible(config.data, interactions, getattr(split, rows))
                    for rows in tasks
                }
        yield from self.train(training, split, tasks)
        self.judge(training, split, tasks)
        if config.evaluation.save_ranks:
            with self.stage("save_ranks"):
                for rows in self.record.metrics:
                    self.save_ranks(rows, training, interactions, split, tasks[rows], baselines)
        self.show()

    def train(self, training: Training, split: Split, tasks: dict[str, RankingTask]) -> Steps:
        from sweeper.two_tower.training.loop import Callbacks, History, train

        rows, history = self.record.rows, History()
        config, metric = self.config.train, self.config.evaluation.metric
        known = known_saturation(metric, tasks[rows])
        if known:
            self.warn(known)
        try:
            words = f"sampled {rows}" if self.config.evaluation.sampled_candidates else rows
            with TrainingProgress(self.console, config.epochs, words, metric) as progress:
                evaluation = _Evaluation(
                    self.scorer(training, split, rows), tasks[rows], self.threads
                )
                callbacks = Callbacks(evaluation, progress.on_epoch)
                for checkpoint in train(config, training, metric, callbacks, history):
                    if checkpoint is history.kept:
                        self.ranks[rows] = evaluation.ranks
                    progress.on_checkpoint(checkpoint)
                    with self.pause():
                        self.trackers.log(checkpoint.epoch, checkpoint.loss, checkpoint.metrics)
                        yield checkpoint
        finally:
            self.keep(history)
        if history.stopped_early:
            patience = config.patience_evaluations
            self.print_status(
                "stopped",
                f"after epoch {self.record.epochs}: none of the last {patience} "
                f"evaluations was better than that of epoch {self.record.best_epoch}",
            )
        values = [checkpoint.metrics[metric] for checkpoint in history.checkpoints]
        observed = observed_saturation(metric, values)
        if observed and not known:
            chosen = "; MRR decided which weights are kept" if config.restore_best else ""
            self.warn(f"{observed}{chosen if len(values) > 1 else ''}")

    def judge(self, training: Training, split: Split, tasks: dict[str, RankingTask]) -> None:
        """Measures the trained model, with the weights that were kept."""
        metrics, evaluation = self.record.metrics, self.config.evaluation
        if evaluation.score_test and "test" not in metrics:
            # The one look at the test rows.
            with self.stage("score_test"):
                scorer = self.scorer(training, split, "test")
                self.ranks["test"] = scorer.rank(tasks["test"], self.threads)
                metrics["test"] = self.ranks["test"].metrics()
        for rows, ranks in self.ranks.items():
            self.record.by_repetition[rows] = metrics_by_repetition(ranks)
        if evaluation.measure_latency:
            from sweeper.two_tower.evaluation.latency import milliseconds_per_query

            with self.stage("measure_latency"):
                self.record.milliseconds_per_query = milliseconds_per_query(
                    training.model, training.encoded, getattr(split, self.record.rows)
                )

    def save_ranks(
        self,
        rows: str,
        training: Training,
        interactions: Interactions,
        split: Split,
        task: RankingTask,
        baselines: dict[str, Baseline],
    ) -> None:
        """Writes the ranks of a part's rows; notes the metrics of its warm and its cold ones.

        With times also those by length of history and by age of the training, of all scorers; of
        test rows also the catalogue coverage.
        """
        ranks = {"model": self.ranks[rows]}
        ranks |= {name: baseline.ranks[rows] for name, baseline in baselines.items()}
        table = row_table(ranks, task, interactions, split.train)
        atomic_write(self.directory / records.ROWS[rows], as_parquet(table))
        self.record.by_cold_start[rows] = metrics_by_warmth(ranks["model"], table)
        metric = self.config.evaluation.metric
        for parts, found in (
            (HISTORY_LENGTH, self.record.by_history_length),
            (TIME_SINCE_TRAINING, self.record.by_time_since_training),
        ):
            for name, each in ranks.items() if parts.column in table.column_names else ():
                found.setdefault(name, {})[rows] = metrics_by(parts, each, table, metric)
        if rows == "test":
            scorer = self.scorer(training, split, rows).scorer()
            self.record.coverage = {"model": coverage(scorer, task, self.threads)}
            self.record.coverage |= {
                name: baseline.coverage
                for name, baseline in baselines.items()
                if baseline.coverage is not None
            }

    def show(self) -> None:
        rows = "test" if "test" in self.record.metrics else self.record.rows
        self.console.print()
        self.console.print(result_table(self.record, rows))
        if table := parts_table(self.record, rows):
            self.console.print()
            self.console.print(table)
        for topic, text in result_lines(self.record, rows):
            self.print_status(topic, text)

    def scorer(self, training: Training, split: Split, rows: str) -> ModelScorer:
        """Scores the model, as it is at each call, on one part's rows."""
        from sweeper.two_tower.evaluation.scoring import ModelScorer

        return ModelScorer(training.model, training.encoded, getattr(split, rows))

    def keep(self, history: History) -> None:
        """Takes what there is of a training into the record."""
        self.record.history = [checkpoint.row() for checkpoint in history.checkpoints]
        self.record.stopped_early = history.stopped_early
        self.record.seconds["first_epoch"] = history.first_epoch_seconds
        if history.kept:
            last = history.checkpoints[-1]
            self.record.epochs, self.record.best_epoch = last.epoch, history.kept.epoch
            self.record.metrics[self.record.rows] = history.kept.metrics
            self.record.seconds["train"] = last.train_seconds
            self.record.seconds["evaluate"] = last.evaluate_seconds

    def describe_data(self, interactions: Interactions, split: Split) -> None:
        self.record.data = {
            "source": interactions.source,
            "fingerprint": interactions.fingerprint,
            "interactions": len(interactions),
            "users": interactions.num_users,
            "candidates": interactions.num_items,
            "rows": split.sizes(),
            "unused_rows": split.unused,
            "cold_start": split.cold_start,
            "dropped_rows": interactions.dropped,
            "is_weighted": interactions.weights is not None,
            "ties": [*split.ties, *self.history_ties(interactions, split)],
        }
        for topic, text in data_lines(self.record):
            self.print_status(topic, text)

    def history_ties(self, interactions: Interactions, split: Split) -> list[str]:
        """Lines on equal times, if the model or the loss goes by the order of a user's rows."""
        from sweeper.two_tower.model.two_tower import needed_histories

        histories = needed_histories(self.config, interactions, split.train)
        times = interactions.timestamps
        return [] if histories is None or times is None else list(history_ties(histories, times))

    def describe_model(self, training: Training) -> None:
        from sweeper.two_tower.model.summary import layer_rows
        from sweeper.two_tower.training.setup import small_weights, whole_updates

        layers = layer_rows(training.model)
        self.record.num_parameters = sum(parameters for *_, parameters in layers)
        self.console.print()
        self.console.print(model_table(layers))
        for line in whole_updates(self.config.optimizer, training.model):
            self.print_status("cost", line)
        for line in small_weights(training.planner):
            self.print_status("weights", line)
        self.console.print()

    def print_status(self, topic: str, text: str) -> None:
        print_status(self.console, topic, text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self.print_status("warning", text)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Notes in the record how long a stage takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.record.seconds[name] = time.perf_counter() - started

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves the time within it, which isn't the trial's own, out of the total."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.started += time.perf_counter() - started

    def finish(self) -> None:
        """Writes the record, whatever the end was, and prints where it lies."""
        self.record.seconds["total"] = time.perf_counter() - self.started
        with finishing(self.trackers.end):
            records.close(self.directory, self.record)
        names = [records.TRIAL]
        names += [name for name in records.ROWS.values() if (self.directory / name).exists()]
        if self.record.history:
            names.append(records.HISTORY)
            if self.draw:
                atomic_write(self.directory / records.CURVES, draw_curves(self.record))
                names.append(records.CURVES)
        self.console.print()
        self.print_status("output", f"{self.directory} ({self.record.state}: {', '.join(names)})")


class _Evaluation:
    """Evaluates the model as it is at each call.

    Attributes:
      ranks: those of the latest call.
    """

    ranks: Ranks

    def __init__(self, scorer: ModelScorer, task: RankingTask, threads: int) -> None:
        self._scorer, self._task, self._threads = scorer, task, threads

    def __call__(self) -> dict[str, float]:
        self.ranks = self._scorer.rank(self._task, self._threads)
        return self.ranks.metrics()
