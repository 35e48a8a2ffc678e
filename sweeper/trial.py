"""One trial: from a configuration to a trained, scored and recorded model."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sweeper import console as terminal
from sweeper import record as records
from sweeper.config import Config, to_dictionary
from sweeper.curves import draw_curves
from sweeper.data.interactions import Interactions, load_interactions
from sweeper.data.split import Split, check_sizes, split_interactions
from sweeper.errors import OutputError
from sweeper.evaluation.baselines import rank_baselines
from sweeper.evaluation.ranking import RankingTask, ranking_tasks
from sweeper.model.features import check_columns
from sweeper.record import TrialRecord
from sweeper.runtime import set_threads, start_tensorflow
from sweeper.validation import validate

if TYPE_CHECKING:
    from sweeper.training.loop import Checkpoint, History
    from sweeper.training.setup import Training

# The metric that early stopping, the best weights and a search go by.
OBJECTIVE = "top_100"

# Called after each evaluation with (epoch, metrics); may raise to end the trial.
Report = Callable[[int, dict[str, float]], None]


def run_trial(
    config: Config,
    directory: Path,
    report: Report = lambda epoch, metrics: None,
    console: Console | None = None,
) -> TrialRecord:
    """Trains the configured model, scores it and writes the record to `directory`.

    Raises:
      ConfigError, DataError: before anything is trained.
      OutputError: the directory holds a trial or can't be written.
      TrialError: a loss or a score is not finite.
      KeyboardInterrupt: after what there is has been written.
    """
    validate(config)
    trial = _Trial(config, directory, report, console or terminal.make_console())
    records.create(directory, trial.record)
    try:
        trial.run()
        trial.record.state = "completed"
    except KeyboardInterrupt:
        trial.record.state, trial.record.reason = "interrupted", "interrupted by Ctrl-C"
        raise
    except BaseException as error:
        trial.record.state, trial.record.reason = "failed", f"{type(error).__name__}: {error}"
        # A full disk must not hide the reason.
        with suppress(OutputError):
            records.write_whole(directory / records.TRACEBACK, traceback.format_exc().encode())
        raise
    finally:
        trial.finish()
    return trial.record


class _Trial:
    """The stages of a trial, and the record that they fill."""

    def __init__(self, config: Config, directory: Path, report: Report, console: Console) -> None:
        self.config, self.directory = config, directory
        self.report, self.console = report, console
        self.record = TrialRecord(
            to_dictionary(config),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            command=list(sys.argv),
        )
        self.started = time.perf_counter()
        self.threads = 1

    def run(self) -> None:
        config = self.config
        self.threads = set_threads(config.train.threads)
        with self.stage("load_data"):
            interactions = load_interactions(config.data, lambda text: self.say("data", text))
        check_sizes(config.data, len(interactions))
        check_columns(config.features, interactions)
        # Only now, so that errors in the configuration and the data come at once.
        with self.stage("import_tensorflow"):
            start_tensorflow()
            from sweeper.training.setup import set_up_training
        self.record.set_environment(self.threads)
        with self.stage("set_up"):
            split = split_interactions(config.data, interactions)
            self.describe_data(interactions, split)
            training = set_up_training(config, interactions, split.train, self.threads)
            self.describe_model(training)
        with self.stage("baselines"):
            tasks = ranking_tasks(interactions, split)
            self.record.baselines = rank_baselines(
                config.evaluation, interactions, split.train, tasks, self.threads
            )
        self.train(training, split, tasks)
        if "test" not in self.record.metrics:
            # The one look at the test rows, with the weights that were kept.
            with self.stage("score_test"):
                self.record.metrics["test"] = self.score(training, split, tasks, "test")()
        self.console.print()
        self.console.print(terminal.result_table(self.record, "test"))

    def train(self, training: Training, split: Split, tasks: dict[str, RankingTask]) -> None:
        from sweeper.training.loop import Callbacks, History, train
        from sweeper.training.progress import TrainingProgress

        rows, history = self.config.evaluation.rows, History()
        try:
            with TrainingProgress(self.console, self.config.train.epochs, rows) as progress:

                def on_checkpoint(checkpoint: Checkpoint) -> None:
                    progress.on_checkpoint(checkpoint)
                    self.report(checkpoint.epoch, checkpoint.metrics)

                callbacks = Callbacks(
                    evaluate=self.score(training, split, tasks, rows),
                    on_epoch=progress.on_epoch,
                    on_checkpoint=on_checkpoint,
                )
                train(self.config.train, training, OBJECTIVE, callbacks, history)
        finally:
            self.keep(history)
        if history.stopped_early:
            patience = self.config.train.patience_evaluations
            self.say(
                "stopped",
                f"after epoch {history.checkpoints[-1].epoch}: none of the last {patience} "
                f"evaluations was better than that of epoch {self.record.kept_epoch}",
            )

    def score(
        self, training: Training, split: Split, tasks: dict[str, RankingTask], rows: str
    ) -> Callable[[], dict[str, float]]:
        """Scores the model, as it is at each call, on one part's rows."""
        from sweeper.evaluation.scoring import ModelScorer

        scorer = ModelScorer(training.model, training.encoded, getattr(split, rows))
        return lambda: scorer.rank(tasks[rows], self.threads).metrics()

    def keep(self, history: History) -> None:
        """Takes what there is of a training into the record."""
        self.record.history = [checkpoint.row() for checkpoint in history.checkpoints]
        self.record.stopped_early = history.stopped_early
        self.record.seconds["first_epoch"] = history.first_epoch_seconds
        if history.kept:
            last = history.checkpoints[-1]
            self.record.kept_epoch = history.kept.epoch
            self.record.metrics[self.config.evaluation.rows] = history.kept.metrics
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
        }
        for topic, text in terminal.data_lines(self.record):
            self.say(topic, text)

    def describe_model(self, training: Training) -> None:
        from sweeper.model.summary import layer_rows

        layers = layer_rows(training.model)
        self.record.num_parameters = sum(parameters for *_, parameters in layers)
        self.console.print()
        self.console.print(terminal.model_table(layers))
        self.console.print()

    def say(self, topic: str, text: str) -> None:
        terminal.say(self.console, topic, text)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Notes in the record how long a stage takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.record.seconds[name] = time.perf_counter() - started

    def finish(self) -> None:
        """Writes the record, whatever the end was, and prints where it lies."""
        self.record.seconds["total"] = time.perf_counter() - self.started
        self.record.seconds = {name: round(value, 4) for name, value in self.record.seconds.items()}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.record.peak_memory_mb = round(peak / (2**20 if sys.platform == "darwin" else 1024), 1)
        records.write(self.directory, self.record)
        names = [records.TRIAL]
        if self.record.history:
            records.write_whole(self.directory / records.CURVES, draw_curves(self.record))
            names += [records.HISTORY, records.CURVES]
        self.console.print()
        self.say("output", f"{self.directory} ({self.record.state}: {', '.join(names)})")
