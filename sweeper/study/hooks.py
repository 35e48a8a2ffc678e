"""What an app may do before and after the trials: data checks, a reference, a confirmation."""

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
        """Checks that everything to be trained fits the data, before anything is written.

        Args:
          print_line: is called with each line that the user should read.

        Returns:
          The plan, with the fingerprint of the data if all trials have the same data.

        Raises:
          ConfigError: a configuration doesn't fit the data.
          DataError: the data can't be read.
        """
        return plan

    def data_attributes(self, plan: Plan) -> dict[str, Any]:
        """Returns the attributes by which a study recognizes its data when it is resumed."""
        return {}

    def check_resumed(self, study: optuna.Study, plan: Plan) -> None:
        """Checks that the data and the scores of a resumed study are those that it began with.

        Raises:
          ConfigError: trials were scored by another rule.
          DataChangedError: the data has changed.
        """

    def reference_plan(self, plan: Plan, loader: ConfigLoader) -> FixedGridPlan | None:
        """Returns the plan of a reference to train before the trials, or None."""
        return None

    def keep_reference(
        self, study: optuna.Study, planned: FixedGridPlan, trained: optuna.Study
    ) -> bool:
        """Stores the results of a trained reference in the study.

        Returns:
          Whether there are results.
        """
        return False

    def confirmation_plan(
        self, plan: Plan, study: optuna.Study, loader: ConfigLoader
    ) -> tuple[FixedGridPlan, Sequence[str]] | None:
        """Returns the plan of a confirmation and lines to print, or None if there is nothing to do.

        Raises:
          StudyError: no trial of the study is complete and feasible.
        """
        return None
