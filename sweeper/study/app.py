"""The seam between the engine and an app: what the engine must know about its trials.

The engine (`sweeper.study`) searches the configurations of any Hydra app and knows nothing of
models. An app implements `App`, which describes configurations and trials, and may override
`StudyHooks` (`sweeper.study.hooks`), which act before and after the trials of a study. The
two-tower models are such an app: `sweeper.two_tower.app`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from omegaconf import DictConfig

from sweeper.study.config import ObjectiveConfig, StudyConfig

# The configuration of a trial in the app's own form, such as a dataclass. The engine only passes
# it on.
TrialConfig = Any


class App(Protocol):
    """What the engine must know about an app; it is sent to workers with the plan of a study.

    Attributes:
      schema: the dataclass of a trial's configuration; its fields are the keys.
      groups: the config groups that a study may search.
      optional_groups: the groups that may be set to null, `GROUP=null`.
      open_sections: the dotted keys of dictionaries that accept any names.
      seeds: keys that a study must not search because they are seeds.
      grid_seeds: the seeds among them that a grid on the command line may search.
      not_searchable: keys and sections that a study must not search because they do not affect
        results.
      metrics: the names of the metrics that a trial reports at each step.
      final_metrics: the names of the costs that are known only at the end of a trial; lower is
        better.
      thread_key: the key that sets the number of threads of a trial.
      trial_file: the name of the file that marks a directory as that of a trial.
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
        """Returns the configuration of a trial from what Hydra composed.

        Raises:
          ConfigError: a key is unknown, or a value has the wrong type.
        """

    def check(self, config: TrialConfig) -> None:
        """Checks all values.

        Raises:
          ConfigError: with a line for each value that is wrong.
        """

    def to_dictionary(self, config: TrialConfig) -> dict[str, Any]:
        """Returns the configuration as nested dictionaries of plain values."""

    def result_affecting_keys(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values, by dotted key, that must not change between two starts of a study.

        Args:
          config: nested dictionaries, from `to_dictionary`.
        """

    def with_present_keys(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Returns values that an earlier version stored, by the dotted keys of this version."""

    def objective_overrides(
        self, study: StudyConfig, config: TrialConfig, given: Collection[str]
    ) -> list[str]:
        """Returns the overrides that make trials keep their weights by the study's objective.

        Args:
          given: the keys that the command line sets.
        """

    # What a trial does.

    def num_steps(self, config: TrialConfig) -> int:
        """Returns the maximum number of steps (such as epochs) of a trial.

        Args:
          config: from `read`, or as Hydra composed it: a worker asks before each trial.
        """

    def report_interval(self, config: TrialConfig) -> int:
        """Returns the number of steps between two reports of a trial's metrics."""

    def threads(self, config: TrialConfig) -> int | None:
        """Returns the number of threads that the configuration sets, or None if it sets none."""

    def keeps_best(self, config: TrialConfig, searched: Collection[str]) -> bool:
        """Returns whether the result of a trial is, or may be, the best of its reports."""

    def data_key(self, config: TrialConfig) -> Hashable:
        """Returns a key that is equal for configurations whose trials train on the same data."""

    # Checks of a study.

    def study_problems(
        self, study: StudyConfig, config: TrialConfig, searched: Sequence[str]
    ) -> Iterable[str]:
        """Yields a line for each problem of a study of trials with this configuration.

        Args:
          study: the study's configuration, with its sampler and pruner resolved.
          searched: the searched keys.
        """

    def example_problems(
        self, study: StudyConfig, config: TrialConfig, searched: Sequence[str]
    ) -> Iterable[str]:
        """Yields a line for each problem of a study whose search may reach this configuration."""

    def reference_problems(
        self, reference: str, searched: Sequence[str], groups: Mapping[str, Sequence[str]]
    ) -> Iterable[str]:
        """Yields a line for each reason why `study.reference` can't have this value."""

    def working_directory_problems(
        self, config: TrialConfig, changes: bool | None
    ) -> Iterable[str]:
        """Yields a line for each relative path that trials would not find from their directories.

        Args:
          changes: the value of `hydra.job.chdir`.
        """

    def metric_hint(self, metric: str) -> str:
        """Returns a hint to append to the message about an unknown metric, or ""."""

    # What a trial leaves on disk.

    def recorded_config(self, directory: Path) -> dict[str, Any] | None:
        """Returns the configuration in a trial's record, or None if the trial left no record.

        Raises:
          OutputError: the record can't be read.
        """

    def summarize(self, directory: Path) -> dict[str, Any] | None:
        """Returns the summary of a trial's record for the storage, or None without a record."""

    def is_infeasible(self, result: Mapping[str, Any]) -> bool:
        """Returns whether a trial with this summary must not be ranked."""

    def mark_interrupted(self, directory: Path, state: str, reason: str) -> None:
        """Notes how a trial ended in its record, unless the record says so already.

        It is called for trials whose process died.
        """

    # What a study prints.

    def baseline_label(self, name: str) -> str:
        """Returns the name of a baseline for tables and messages."""

    def leaderboard_notes(
        self, results: Iterable[Mapping[str, Any]], objectives: Sequence[ObjectiveConfig]
    ) -> Iterator[str]:
        """Yields notes to print below a leaderboard of trials with these summaries."""

    def finer_metric(self, metric: str) -> str | None:
        """Returns a metric that distinguishes trials where this one can't, or None."""
