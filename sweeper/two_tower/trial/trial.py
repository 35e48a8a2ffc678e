"""One trial: from a configuration to a trained, scored and recorded model."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sweeper.common.console import make_console
from sweeper.common.output_files import atomic_write
from sweeper.common.runtime import set_threads, start_tensorflow
from sweeper.two_tower import record as records
from sweeper.two_tower.config import Config
from sweeper.two_tower.data.histories import history_ties
from sweeper.two_tower.data.interactions import Interactions, check_contents
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import Split, check_sizes
from sweeper.two_tower.evaluation.baselines import Baseline, check_baselines
from sweeper.two_tower.evaluation.best_possible import best_possible, is_known
from sweeper.two_tower.evaluation.ranking import RankingTask, Ranks
from sweeper.two_tower.evaluation.rows import (
    as_parquet,
    coverage,
    metrics_by_cold_start,
    metrics_by_repetition,
    metrics_by_segment,
    row_table,
)
from sweeper.two_tower.evaluation.saturation import known_saturation, observed_saturation
from sweeper.two_tower.evaluation.segments import HISTORY_LENGTH, TIME_SINCE_TRAINING
from sweeper.two_tower.model.fitting import check_columns
from sweeper.two_tower.record import Metrics, TrialRecord
from sweeper.two_tower.tracking.tracker import STANDALONE, Origin
from sweeper.two_tower.training.progress import TrainingProgress
from sweeper.two_tower.trial.prepared import prepared_baselines, prepared_split, prepared_tasks
from sweeper.two_tower.trial.recorder import TrialRecorder
from sweeper.two_tower.trial.result_tables import data_lines, model_table
from sweeper.two_tower.validation import validate

if TYPE_CHECKING:
    from sweeper.two_tower.evaluation.scoring import ModelScorer
    from sweeper.two_tower.training.loop import Evaluation, History
    from sweeper.two_tower.training.setup import Training

# Called after each evaluation with (epoch, metrics); may raise to end the trial.
Report = Callable[[int, Metrics], None]

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
      fingerprint: of the data that the trial must be trained on; None: any data.

    Raises:
      ConfigError, DataError: before anything is trained.
      OutputError: the directory holds a trial or can't be written.
      TrialError: a loss or a score is not finite.
      TrialPruned, KeyboardInterrupt, and whatever else `report` raises: after the results so far
        have been written.
    """
    validate(config)
    trial = Trial(config, directory, console or make_console(), draw, origin, fingerprint)
    with closing(trial.steps()) as steps:
        for evaluation in steps:
            try:
                report(evaluation.epoch, evaluation.metrics)
            except BaseException as error:
                # The trial raises it again, once it has written its results so far.
                steps.throw(error)
    return trial.record


@dataclass(frozen=True)
class Inputs:
    """What a trial is trained and scored on.

    Attributes:
      tasks: by the rows to score, "validation" and "test".
    """

    interactions: Interactions
    split: Split
    tasks: dict[str, RankingTask]
    baselines: dict[str, Baseline]
    training: Training
    threads: int

    def scorer(self, rows: str) -> ModelScorer:
        """Returns what scores the rows with the model as it is at each call."""
        from sweeper.two_tower.evaluation.scoring import ModelScorer

        return ModelScorer(self.training.model, self.training.encoded, getattr(self.split, rows))


class Trial:
    """The stages of a trial.

    Args:
      config: has passed `validate`.
      directory: where the record goes; the first step makes it.
      draw: whether to draw `curves.png`.
      origin: the study that the trial is part of, for trackers.
      fingerprint: of the data that the trial must be trained on; None: any data.
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
        self.config, self.fingerprint = config, fingerprint
        self.recorder = TrialRecorder(config, directory, console, draw, origin)
        self.record = self.recorder.record
        # By the rows scored, the ranks that belong to the weights that were kept.
        self.ranks: dict[str, Ranks] = {}

    def steps(self) -> Steps:
        """Runs the trial and yields each evaluation, so that several trials can take turns.

        An error that is thrown into it ends the trial; `record.recording_outcome` says how.
        """
        with self.recorder.recording():
            inputs = self.set_up()
            yield from self.train(inputs)
            self.score(inputs)
            if self.config.evaluation.save_ranks:
                with self.recorder.stage("save_ranks"):
                    for rows in self.record.metrics:
                        self.save_ranks(rows, inputs)
            self.recorder.print_results()

    def set_up(self) -> Inputs:
        """Loads the data, builds the model and ranks the baselines."""
        config, recorder = self.config, self.recorder
        threads = set_threads(config.train.threads)
        with recorder.stage("load_data"):
            interactions = load_interactions(
                config.data, lambda text: recorder.print_status("data", text)
            )
        check_contents(interactions, self.fingerprint)
        check_sizes(config.data, len(interactions))
        check_columns(config.features, interactions)
        check_baselines(config.evaluation, interactions.num_users, interactions.num_items)
        # TensorFlow loads last, so that errors in the configuration and the data come at once.
        with recorder.stage("import_tensorflow"):
            start_tensorflow()
            from sweeper.two_tower.training.setup import set_up_training
        recorder.begin_tracking(threads)
        with recorder.stage("set_up"):
            split = prepared_split(config.data, interactions)
            self.describe_data(interactions, split)
            training = set_up_training(config, interactions, split.train, threads)
            self.describe_model(training)
        with recorder.stage("baselines"):
            tasks = prepared_tasks(config.data, config.evaluation, interactions, split)
            baselines = prepared_baselines(
                config.data, config.evaluation, interactions, split, tasks, threads
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
        return Inputs(interactions, split, tasks, baselines, training, threads)

    def train(self, inputs: Inputs) -> Steps:
        """Trains the model and yields each evaluation."""
        from sweeper.two_tower.training.loop import Callbacks, History, train

        rows, history = self.record.rows, History()
        config, metric = self.config.train, self.config.evaluation.metric
        saturation = known_saturation(metric, inputs.tasks[rows])
        if saturation:
            self.recorder.warn(saturation)
        try:
            label = f"sampled {rows}" if self.config.evaluation.sampled_candidates else rows
            with TrainingProgress(self.recorder.console, config.epochs, label, metric) as progress:
                scorer, latest = inputs.scorer(rows), {}

                def evaluate() -> Metrics:
                    latest["ranks"] = scorer.rank(inputs.tasks[rows], inputs.threads)
                    return latest["ranks"].metrics()

                callbacks = Callbacks(evaluate, progress.on_epoch)
                for evaluation in train(config, inputs.training, metric, callbacks, history):
                    if evaluation is history.kept:
                        self.ranks[rows] = latest["ranks"]
                    progress.on_evaluation(evaluation)
                    with self.recorder.pause():
                        self.recorder.track(evaluation)
                        yield evaluation
        finally:
            self.recorder.add_history(history)
        self.report_end_of_training(history, is_saturated=bool(saturation))

    def report_end_of_training(self, history: History, is_saturated: bool) -> None:
        """Prints why the training stopped early, and that its metric was the same too often."""
        config, metric = self.config.train, self.config.evaluation.metric
        if history.stopped_early:
            self.recorder.print_status(
                "stopped",
                f"after epoch {self.record.epochs}: none of the last "
                f"{config.patience_evaluations} evaluations was better than that of epoch "
                f"{self.record.best_epoch}",
            )
        values = [evaluation.metrics[metric] for evaluation in history.evaluations]
        saturation = observed_saturation(metric, values)
        if saturation and not is_saturated:
            chosen = "; MRR decided which weights are kept" if config.restore_best else ""
            self.recorder.warn(f"{saturation}{chosen if len(values) > 1 else ''}")

    def score(self, inputs: Inputs) -> None:
        """Scores the trained model, with the weights that were kept, and measures its latency."""
        record, evaluation = self.record, self.config.evaluation
        if evaluation.score_test and "test" not in record.metrics:
            # This is the only look at the test rows.
            with self.recorder.stage("score_test"):
                self.ranks["test"] = inputs.scorer("test").rank(
                    inputs.tasks["test"], inputs.threads
                )
                record.metrics["test"] = self.ranks["test"].metrics()
        for rows, ranks in self.ranks.items():
            record.by_repetition[rows] = metrics_by_repetition(ranks)
        if evaluation.measure_latency:
            from sweeper.two_tower.evaluation.latency import milliseconds_per_query

            training = inputs.training
            with self.recorder.stage("measure_latency"):
                record.milliseconds_per_query = milliseconds_per_query(
                    training.model, training.encoded, getattr(inputs.split, record.rows)
                )

    def save_ranks(self, rows: str, inputs: Inputs) -> None:
        """Writes the ranks of these rows, and records the metrics that they are needed for.

        These are the metrics of warm and cold rows and, where the data has times, those by length
        of history and by age of the training, of all scorers; of test rows also the coverage.
        """
        record, task = self.record, inputs.tasks[rows]
        ranks = {"model": self.ranks[rows]}
        ranks |= {name: baseline.ranks[rows] for name, baseline in inputs.baselines.items()}
        table = row_table(ranks, task, inputs.interactions, inputs.split.train)
        atomic_write(self.recorder.directory / records.ROWS[rows], as_parquet(table))
        record.by_cold_start[rows] = metrics_by_cold_start(ranks["model"], table)
        for segmentation, found in (
            (HISTORY_LENGTH, record.by_history_length),
            (TIME_SINCE_TRAINING, record.by_time_since_training),
        ):
            if segmentation.column in table.column_names:
                for name, each in ranks.items():
                    metrics = metrics_by_segment(
                        segmentation, each, table, self.config.evaluation.metric
                    )
                    found.setdefault(name, {})[rows] = metrics
        if rows == "test":
            scorer = inputs.scorer(rows).scorer()
            record.coverage = {"model": coverage(scorer, task, inputs.threads)}
            record.coverage |= {
                name: baseline.coverage
                for name, baseline in inputs.baselines.items()
                if baseline.coverage is not None
            }

    def describe_data(self, interactions: Interactions, split: Split) -> None:
        """Records and prints what the data is and how it is split."""
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
            "ties": [*split.ties, *ties_of_histories(self.config, interactions, split)],
        }
        for topic, text in data_lines(self.record):
            self.recorder.print_status(topic, text)

    def describe_model(self, training: Training) -> None:
        """Records the number of parameters; prints the layers, and what is costly about them."""
        from sweeper.two_tower.model.summary import layer_rows
        from sweeper.two_tower.training.setup import small_weights, whole_updates

        layers = layer_rows(training.model)
        self.record.num_parameters = sum(parameters for *_, parameters in layers)
        self.recorder.console.print()
        self.recorder.console.print(model_table(layers))
        for line in whole_updates(self.config.optimizer, training.model):
            self.recorder.print_status("cost", line)
        for line in small_weights(training.planner):
            self.recorder.print_status("weights", line)
        self.recorder.console.print()


def ties_of_histories(config: Config, interactions: Interactions, split: Split) -> list[str]:
    """Returns lines on equal times, if the model or the loss reads the order of a user's rows."""
    from sweeper.two_tower.model.two_tower import needed_histories

    histories = needed_histories(config, interactions, split.train)
    times = interactions.timestamps
    return [] if histories is None or times is None else list(history_ties(histories, times))
