"""Weights & Biases: a run for each trial, its files below the trial's directory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.tracking.metrics import final_metrics
from sweeper.two_tower.tracking.tracker import Place, Tracker

# As W&B has them: 255 is that of a run that was stopped.
EXIT_CODES = {"completed": 0, "failed": 1, "pruned": 255, "interrupted": 255}
SECONDS_TO_FINISH = 30.0


class WeightsAndBiases(Tracker):
    """Starts W&B's own process, which ends with the one that the trial runs in.

    Args:
      project: its name; the account, the server and whether to send are W&B's own settings.
    """

    product = "W&B"

    def __init__(self, place: Place, project: str) -> None:
        super().__init__(place)
        self._project = project
        self._run: Any = None

    def begin(self, record: TrialRecord) -> str:
        import wandb

        origin = self.place.origin
        self._run = wandb.init(
            project=self._project,
            name=self.place.name,
            group=origin.study,
            dir=self.place.directory,
            config={**record.config, **origin.tags(), "git_commit": record.git_commit},
            settings=settings(),
        )
        # An offline run has no address, and warns if it is asked for one.
        if self._run.offline:
            return f"wandb sync {self._run.settings.sync_dir}"
        return str(self._run.url or self._run.settings.mode)

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=epoch)

    def end(self, record: TrialRecord) -> None:
        if self._run is None:
            return
        try:
            final = {**final_metrics(record), "state": record.state, "reason": record.reason}
            self._run.summary.update(final)
        finally:
            self._finish(EXIT_CODES[record.state])

    def _finish(self, exit_code: int) -> None:
        import wandb

        try:
            self._run.finish(exit_code=exit_code)
        except TimeoutError:
            raise
        except Exception:
            # Its process has died, with all runs in it; the next trial needs another.
            with suppress(Exception):
                wandb.teardown()
            raise


def settings() -> Any:
    """W&B's settings for a run that sends what a trial says of itself, and nothing else."""
    import wandb

    return wandb.Settings(
        # Several trials may be open in one process: the repeats on several splits.
        reinit="create_new",
        finish_timeout=SECONDS_TO_FINISH,
        finish_timeout_raises=True,
        # The console is the trial's own: nothing is read from it, and nothing printed.
        console="off",
        silent=True,
        # Not the user's code, checkout, packages, machine or command line.
        disable_code=True,
        disable_git=True,
        x_save_requirements=False,
        x_disable_meta=True,
        # Measuring the machine would disturb the times that the trial records.
        x_disable_stats=True,
    )
