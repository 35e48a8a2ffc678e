"""One trial: from a configuration to a trained, scored and recorded model."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from sweeper import console as terminal
from sweeper import record as records
from sweeper.config import Config, to_dictionary
from sweeper.curves import draw_curves
from sweeper.data.interactions import Interactions, load_interactions
from sweeper.data.split import Split, split_interactions
from sweeper.evaluation.baselines import rank_baseline
from sweeper.evaluation.ranking import RankingTask, SeenItems
from sweeper.record import TrialRecord
from sweeper.runtime import set_threads, start_tensorflow
from sweeper.validation import validate

if TYPE_CHECKING:
    from sweeper.model.two_tower import EncodedFeatures, TwoTowerModel
    from sweeper.training.loop import Checkpoint, History

OBJECTIVE = "top_100"

# Called after each evaluation with (epoch, metrics); may raise to end the trial.
Report = Callable[[int, dict[str, float]], None]


def run_trial(
    config: Config,
    directory: Path,
    report: Report | None = None,
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
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        trial.record.state = "interrupted" if interrupted else "failed"
        trial.record.reason = (
            "interrupted by Ctrl-C" if interrupted else f"{type(error).__name__}: {error}"
        )
        if not interrupted:
            records.write_whole(directory / "traceback.txt", traceback.format_exc().encode())
        raise
    else:
        trial.record.state = "completed"
    finally:
        trial.finish()
    return trial.record


class _Trial:
    """The stages of a trial and the record that they fill."""

    def __init__(
        self, config: Config, directory: Path, report: Report | None, console: Console
    ) -> None:
        self.config, self.directory, self.console = config, directory, console
        self.report = report or (lambda epoch, metrics: None)
        self.record = TrialRecord(
            to_dictionary(config),
            started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            command=list(sys.argv),
        )
        self.started = time.perf_counter()

    def run(self) -> None:
        threads = set_threads(self.config.train.threads)
        load_started = time.perf_counter()
        interactions = load_interactions(self.config.data, lambda text: self.say("data", text))
        self.stage("load_data", load_started)
        # Only now, so that data and configuration errors come without waiting for it.
        import_started = time.perf_counter()
        start_tensorflow()
        from sweeper.training.loop import History

        self.stage("import_tensorflow", import_started)
        vars(self.record).update(records.environment(threads))
        build_started = time.perf_counter()
        split = split_interactions(self.config.data, interactions)
        self.describe_data(interactions, split)
        model, encoded = self.build(interactions, split, threads)
        self.stage("build_model", build_started)
        seen = SeenItems.from_rows(
            interactions.users[split.train],
            interactions.items[split.train],
            interactions.num_users,
            interactions.num_items,
        )
        tasks = {
            rows: RankingTask(
                interactions.users[part], interactions.items[part], interactions.num_items, seen
            )
            for rows, part in (("validation", split.validation), ("test", split.test))
            if len(part)
        }
        self.score_baselines(interactions, split, tasks)
        history = History()
        try:
            self.train(model, encoded, interactions, split, tasks, history)
        finally:
            self.record.history = [_history_row(checkpoint) for checkpoint in history.checkpoints]
            if history.kept:
                self.record.kept_epoch = history.kept.epoch
                self.record.metrics[self.config.evaluation.rows] = history.kept.metrics
        self.record.stopped_early = history.stopped_early
        self.score_test(model, encoded, split, tasks)
        self.console.print()
        self.console.print(terminal.result_table(self.record, "test"))

    def build(
        self, interactions: Interactions, split: Split, threads: int
    ) -> tuple[TwoTowerModel, EncodedFeatures]:
        from sweeper.model.summary import layer_rows
        from sweeper.model.two_tower import build_model, encode_features

        encoded = encode_features(self.config, interactions, split.train)
        batch_size = min(self.config.train.batch_size, len(split.train))
        model = build_model(self.config, encoded, _row_blocks(batch_size, threads))
        layers = layer_rows(model)
        self.record.num_parameters = sum(parameters for *_, parameters in layers)
        self.console.print()
        self.console.print(terminal.model_table(layers))
        self.console.print()
        return model, encoded

    def train(
        self,
        model: TwoTowerModel,
        encoded: EncodedFeatures,
        interactions: Interactions,
        split: Split,
        tasks: dict[str, RankingTask],
        history: History,
    ) -> None:
        from sweeper.evaluation.scoring import ModelScorer
        from sweeper.training.batches import BatchPlanner
        from sweeper.training.loop import Callbacks, StepRunner, train
        from sweeper.training.optimizer import build_optimizer
        from sweeper.training.progress import TrainingProgress

        config, rows = self.config, self.config.evaluation.rows
        planner = BatchPlanner(
            split.train,
            interactions.items,
            interactions.num_items,
            config.train.batch_size,
            whole_catalogue=config.task.name == "full_softmax",
            seed=config.train.seed,
        )
        model.compile(
            optimizer=build_optimizer(
                config.optimizer, planner.steps_per_epoch * config.train.epochs
            )
        )
        model.optimizer.build(model.trainable_variables)
        counts = np.bincount(interactions.items[split.train], minlength=interactions.num_items)
        runner = StepRunner(model, encoded, counts / counts.sum(), config.train.xla)
        part = split.validation if rows == "validation" else split.test
        scorer = ModelScorer(model, encoded, part)
        with TrainingProgress(self.console, config.train.epochs, rows) as progress:

            def on_checkpoint(checkpoint: Checkpoint) -> None:
                progress.on_checkpoint(checkpoint)
                self.report(checkpoint.epoch, checkpoint.metrics)

            callbacks = Callbacks(
                evaluate=lambda: scorer.rank(tasks[rows]).metrics(),
                on_epoch=progress.on_epoch,
                on_checkpoint=on_checkpoint,
            )
            train(config.train, model, planner, runner, OBJECTIVE, callbacks, history)
        last = history.checkpoints[-1]
        self.record.seconds |= {
            "first_epoch": history.first_epoch_seconds,
            "train": last.train_seconds,
            "evaluate": last.evaluate_seconds,
        }

    def score_baselines(
        self, interactions: Interactions, split: Split, tasks: dict[str, RankingTask]
    ) -> None:
        """Popularity always, and the others that `evaluation.baselines` names."""
        started = time.perf_counter()
        evaluation = self.config.evaluation
        for name in dict.fromkeys(("popularity", *evaluation.baselines)):
            self.record.baselines[name] = {
                rows: rank_baseline(
                    name,
                    interactions.users[split.train],
                    interactions.items[split.train],
                    task,
                    evaluation.ease_regularization,
                ).metrics()
                for rows, task in tasks.items()
            }
        self.stage("baselines", started)

    def score_test(
        self,
        model: TwoTowerModel,
        encoded: EncodedFeatures,
        split: Split,
        tasks: dict[str, RankingTask],
    ) -> None:
        """The one look at the test rows, with the weights that were kept."""
        from sweeper.evaluation.scoring import ModelScorer

        if "test" not in self.record.metrics:
            started = time.perf_counter()
            scorer = ModelScorer(model, encoded, split.test)
            self.record.metrics["test"] = scorer.rank(tasks["test"]).metrics()
            self.stage("score_test", started)

    def describe_data(self, interactions: Interactions, split: Split) -> None:
        data, evaluation = self.config.data, self.config.evaluation
        sizes = {"train": len(split.train), "validation": len(split.validation),
                 "test": len(split.test)}  # fmt: skip
        self.record.data = {
            "source": interactions.source,
            "fingerprint": interactions.fingerprint,
            "interactions": len(interactions),
            "users": interactions.num_users,
            "candidates": interactions.num_items,
            "rows": sizes,
            "unused_rows": split.unused,
        }
        self.say(
            "data",
            f"{interactions.source}: {len(interactions):,} interactions, "
            f"{interactions.num_users:,} users, {interactions.num_items:,} candidates",
        )
        seed = f", seed {data.split_seed}" if data.split == "random" else ""
        unused = f"; {split.unused:,} rows are in no part" if split.unused else ""
        parts = ", ".join(f"{number:,} {name}" for name, number in sizes.items())
        self.say("split", f"{data.split}{seed}: {parts}{unused}")
        if evaluation.rows == "test":
            self.say(
                "protocol",
                "evaluates on the TEST rows during training, as the published figures did; "
                "make no choice between models on these",
            )
        else:
            self.say("protocol", "chooses on validation rows; scores the test rows once, at the end")

    def say(self, topic: str, text: str) -> None:
        terminal.say(self.console, topic, text)

    def stage(self, name: str, started: float) -> None:
        self.record.seconds[name] = time.perf_counter() - started

    def finish(self) -> None:
        """Writes the record, whatever the end was, and prints where it lies."""
        self.stage("total", self.started)
        self.record.seconds = {k: round(v, 4) for k, v in self.record.seconds.items()}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.record.peak_memory_mb = round(peak / (2**20 if sys.platform == "darwin" else 1024), 1)
        records.write(self.directory, self.record)
        names = [records.TRIAL]
        if self.record.history:
            records.write_whole(self.directory / records.CURVES, draw_curves(self.record))
            names += [records.HISTORY, records.CURVES]
        self.console.print()
        self.say("output", f"{self.directory} ({self.record.state}: {', '.join(names)})")


def _history_row(checkpoint: Checkpoint) -> dict[str, float]:
    return {
        "epoch": checkpoint.epoch,
        "loss": checkpoint.loss,
        **checkpoint.metrics,
        "train_seconds": round(checkpoint.train_seconds, 3),
        "evaluate_seconds": round(checkpoint.evaluate_seconds, 3),
        "examples_per_second": round(checkpoint.examples_per_second),
    }


def _row_blocks(batch_size: int, threads: int) -> int:
    """Blocks of a batch that run side by side: the most that divide it, one a thread."""
    return max(blocks for blocks in range(1, threads + 1) if batch_size % blocks == 0)
