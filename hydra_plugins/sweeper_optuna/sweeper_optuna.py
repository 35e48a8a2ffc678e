"""The Hydra sweeper `hydra/sweeper: sweeper_optuna`, which passes a multirun to `sweeper.study`.

Hydra imports this module at every start, so its imports are deferred until it runs. Hydra doesn't
add the module to `sys.modules`, where `@dataclass` would look up annotations that are strings;
the module therefore has no `from __future__ import annotations`.
"""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class SweeperOptunaConfig:
    """Options of the sweeper; the section `study` sets what it searches, and how.

    Attributes:
      max_relaunches: how often the workers are launched again when their launcher fails, for
        example because one of them was killed.
    """

    _target_: str = "hydra_plugins.sweeper_optuna.sweeper_optuna.SweeperOptuna"
    max_relaunches: int = 20


ConfigStore.instance().store(
    group="hydra/sweeper", name="sweeper_optuna", node=SweeperOptunaConfig, provider="sweeper"
)


class SweeperOptuna(Sweeper):
    """Runs a grid or an Optuna study with workers that claim trials."""

    def __init__(self, max_relaunches: int) -> None:
        self.max_relaunches = max_relaunches

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> None:
        from sweeper.study.plan import make_plan
        from sweeper.study.runner import run_study
        from sweeper.study.storage.errors import as_output_error
        from sweeper.two_tower.app import TwoTowerApp, TwoTowerHooks

        loader = self.hydra_context.config_loader
        plan = make_plan(self.config, arguments, loader, TwoTowerApp())
        with as_output_error(plan.directory):
            failure = run_study(
                plan,
                TwoTowerHooks(),
                self.config,
                self.hydra_context,
                self.task_function,
                self.max_relaunches,
            )
        if plan.study.report:
            from sweeper.report.__main__ import report_on

            report_on([plan.directory])
        if failure:
            raise failure
