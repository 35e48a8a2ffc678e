"""The seam between the engine and an app: what the engine must know of the trials that it runs.

The engine (`sweeper.study`) searches the configurations of any Hydra app and knows nothing of
models. An app implements `App`, about configurations and trials, and may override
`StudyHooks` (`sweeper.study.hooks`), about what happens around a study's trials. The two-tower
models are such an app: `sweeper.two_tower.app`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig

from sweeper.study.config import ObjectiveConfig, StudyConfig

# A trial's configuration in the app's own form, such as a dataclass. The engine hands it on.
TrialConfig = Any


class App(Protocol):
    """What the engine must know of an app; it is sent to workers with the plan of a study.

    Attributes:
      schema: the dataclass of a trial's configuration; its fields are the keys.
      groups: the config groups that a study may search.
      optional_groups: those that may have no file, `GROUP=null`.
      open_sections: dotted keys of dictionaries that take whatever names the user gives.
      seeds: keys that a study must not search because they are seeds.
      grid_seeds: those of the seeds that a grid on the command line may go over.
      not_searchable: keys and sections that a study must not search because they change no result.
      metrics: the names of the metrics that a trial reports at each step.
      final_metrics: the names of the costs that are known only at a trial's end; less is better.
      thread_key: the key of the number of threads of a trial.
      trial_file: the file by which a directory is known to hold a trial.
    """

    schema: type
    groups: Sequence[str]
    optional_groups: Sequence[str]
    open_sections: Sequence[str]
    seeds: Sequence[str]
    grid_seeds: Sequence[str]
    not_searchable: Sequence[str]
    metrics: Sequence[str]
    final_metrics: Sequence[str]
    thread_key: str
    trial_file: str

    # The configuration of a trial.

    def read(self, composed: DictConfig) -> TrialConfig:
        """Returns the trial's part of a configuration that Hydra composed.

        Raises:
          ConfigError: a key is unknown, or a value has the wrong type.
        """

    def check(self, config: TrialConfig) -> None:
        """Raises ConfigError with a line for each value that is wrong."""

    def to_dictionary(self, config: TrialConfig) -> dict[str, Any]:
        """Returns the configuration as nested dictionaries of plain values."""

    def result_affecting_keys(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values, by dotted key, that must not change between two starts of a study.

        Args:
          config: nested dictionaries, from `to_dictionary`.
        """

    def with_present_keys(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Returns values that an earlier version stored, by the dotted keys of the present one."""

    def objective_overrides(
        self, study: StudyConfig, config: TrialConfig, given: Collection[str]
    ) -> list[str]:
        """Returns the overrides by which trials go by the study's objective.

        Args:
          given: the keys that the command line sets.
        """

    # What a trial does.

    def num_steps(self, config: TrialConfig) -> int:
        """Returns the number of steps, such as epochs, that a trial may take."""

    def report_interval(self, config: TrialConfig) -> int:
        """Returns after how many steps a trial reports its metrics."""

    def threads(self, config: TrialConfig) -> int | None:
        """Returns the number of threads that the configuration asks for; None: not given."""

    def keeps_best(self, config: TrialConfig, searched: Collection[str]) -> bool:
        """Returns whether a trial's result is, or may be, the best of its reports."""

    def data_key(self, config: TrialConfig) -> Hashable:
        """Returns what is equal for configurations whose trials are trained on the same data."""

    # Checks of a study.

    def study_problems(
        self, study: StudyConfig, config: TrialConfig, searched: Sequence[str]
    ) -> Iterable[str]:
        """Yields what is wrong with a study of trials with this configuration, a line each.

        Args:
          study: with its sampler and pruner chosen.
          searched: the searched keys.
        """

    def example_problems(
        self, study: StudyConfig, config: TrialConfig, searched: Sequence[str]
    ) -> Iterable[str]:
        """Yields what is wrong with a study whose search may come to this configuration."""

    def reference_problems(
        self, reference: str, searched: Sequence[str], groups: Mapping[str, Sequence[str]]
    ) -> Iterable[str]:
        """Yields why `study.reference` can't be this one, a line each."""

    def working_directory_problems(
        self, config: TrialConfig, changes: bool | None
    ) -> Iterable[str]:
        """Yields the relative paths that trials wouldn't find from their own directories.

        Args:
          changes: `hydra.job.chdir`.
        """

    def metric_hint(self, metric: str) -> str:
        """Returns what ends the message about an unknown metric; "" where there is nothing."""

    # What a trial leaves on disk.

    def recorded_config(self, directory: Path) -> dict[str, Any] | None:
        """Returns the configuration in a trial's record; None where it left none.

        Raises:
          OutputError: the record can't be read.
        """

    def summarize(self, directory: Path) -> dict[str, Any] | None:
        """Returns what the study's storage keeps of a trial's record; None where there is none."""

    def is_infeasible(self, result: Mapping[str, Any]) -> bool:
        """Returns whether a trial with this summary must not be ranked."""

    def mark_interrupted(self, directory: Path, state: str, reason: str) -> None:
        """Notes in a trial's record how it ended, if it doesn't say: its process has died."""

    # What a study prints.

    def baseline_label(self, name: str) -> str:
        """Returns a baseline's name as people write it."""

    def leaderboard_notes(
        self, results: Iterable[Mapping[str, Any]], objectives: Sequence[ObjectiveConfig]
    ) -> Iterator[str]:
        """Yields lines to stand below a leaderboard of trials with these summaries."""

    def finer_metric(self, metric: str) -> str | None:
        """Returns a metric that tells trials apart where this one can't; None: there is none."""
