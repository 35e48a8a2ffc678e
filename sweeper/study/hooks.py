"""What an app may do around the trials of a study: data checks, a reference, a confirmation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader

from sweeper.study.fixed_grid import FixedGridPlan
from sweeper.study.plan import Plan


class StudyHooks:
    """Hooks that do nothing; an app overrides those that it needs."""

    def check_data(
        self, plan: Plan, loader: ConfigLoader, print_line: Callable[[str], None]
    ) -> Plan:
        """Checks that all that is going to be trained fits the data, before anything is written.

        Args:
          print_line: gets a line for each thing that the user should know.

        Returns:
          The plan, with the data's fingerprint where all trials have the same data.

        Raises:
          ConfigError, DataError: something doesn't fit, or can't be read.
        """
        return plan

    def data_attributes(self, plan: Plan) -> dict[str, Any]:
        """Returns what a study stores of its data, to know it again, by attribute."""
        return {}

    def check_resumed(self, study: optuna.Study, plan: Plan) -> None:
        """Checks that a study that goes on has the data and the scores that it began with.

        Raises:
          ConfigError, DataChangedError: it has others.
        """

    def reference_plan(self, plan: Plan, loader: ConfigLoader) -> FixedGridPlan | None:
        """Returns what is trained before the trials, to be compared with; None: nothing."""
        return None

    def keep_reference(
        self, study: optuna.Study, planned: FixedGridPlan, trained: optuna.Study
    ) -> bool:
        """Stores the results of a trained reference in the study; False where there are none."""
        return False

    def confirmation_plan(
        self, plan: Plan, study: optuna.Study, loader: ConfigLoader
    ) -> tuple[FixedGridPlan, Sequence[str]] | None:
        """Returns what confirms a study that is done, and lines to print; None: nothing.

        Raises:
          StudyError: no trial of it is complete and feasible.
        """
        return None
