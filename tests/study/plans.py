"""Plans what a multirun with some arguments would run, without running it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import filter_overrides
from hydra.types import RunMode

from sweeper.study.composition import Composer
from sweeper.study.plan import Plan, make_plan
from sweeper.two_tower.app import TwoTowerApp
from sweeper.two_tower.config import config_directory
from sweeper.two_tower.config.experiment import register_schema

APP = TwoTowerApp()


@dataclass
class Planner:
    loader: ConfigLoader

    def plan(self, *arguments: str) -> Plan:
        config = self.loader.load_configuration(
            "config", list(arguments), run_mode=RunMode.MULTIRUN
        )
        # As Hydra has it: what is its own is in the configuration alone.
        return make_plan(config, list(filter_overrides(arguments)), self.loader, APP)

    def composer(self, plan: Plan, *arguments: str) -> Composer:
        """What a worker composes the trials of a plan with."""
        config = self.loader.load_configuration(
            "config", list(arguments), run_mode=RunMode.MULTIRUN
        )
        return Composer(config, plan.fixed, frozenset(APP.groups), self.loader)


@contextmanager
def planner(beside: Path | None = None) -> Iterator[Planner]:
    """With the project's configuration, and that of another directory beside it."""
    register_schema()
    version.setbase("1.3")
    GlobalHydra.instance().clear()
    search_path = create_config_search_path(str(config_directory()))
    if beside is not None:
        search_path.append("beside", f"file://{beside}", anchor="main")
    try:
        yield Planner(Hydra.create_main_hydra2("sweeper", search_path).config_loader)
    finally:
        GlobalHydra.instance().clear()
