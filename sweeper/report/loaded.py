"""A study in a notebook: its trials and histories as data frames, its plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from sweeper.common.errors import OutputError, install_command
from sweeper.report.rendering.palette import DARK, LIGHT, in_colours
from sweeper.report.report import page_of
from sweeper.results.loading import load_results
from sweeper.results.study_results import StudyResults
from sweeper.study.outputs.leaderboard import leaderboard_columns

if TYPE_CHECKING:
    import pandas

TO_INSTALL = f"pandas: is not installed; must be, for data frames: {install_command('notebook')}"


class LoadedStudy:
    """What a study, or a single run, has left.

    Attributes:
      results: its trials' records and rows of the leaderboard, as plain objects.
      problems: what is missing or damaged, a line each.
    """

    def __init__(self, directory: Path) -> None:
        self.results: StudyResults = load_results(directory)
        self.problems = self.results.problems

    def __repr__(self) -> str:
        return f"<{self.results.name}: {len(self.results.rows)} trials in {self.results.directory}>"

    @property
    def trials(self) -> pandas.DataFrame:
        """Every trial, in the order and with the columns of `leaderboard.csv`.

        Raises:
          OutputError: pandas is not installed.
        """
        columns = list(leaderboard_columns(self.results.rows, self.results.objectives))
        table = {name: [value(row) for row in self.results.rows] for name, value in columns}
        return _pandas().DataFrame(table)

    @property
    def histories(self) -> pandas.DataFrame:
        """Every evaluation: the trial, its split seed (None: its only split), epoch, metrics.

        Raises:
          OutputError: pandas is not installed.
        """
        rows = [
            {"trial": row.number, "split_seed": split_seed, **at, "epoch": int(at["epoch"])}
            for row in self.results.rows
            for split_seed, record in self.results.records_of(row.number)
            for at in record.history
        ]
        columns = ["trial", "split_seed", "epoch"] if not rows else None
        return _pandas().DataFrame(rows, columns=columns)

    def figures(self, dark: bool = False) -> dict[str, go.Figure]:
        """The report's plots by name, "validation_curves", "parameter_importance", ….

        Args:
          dark: whether the colours are those for a dark background.
        """
        figures = page_of([self.results]).figures.values()
        return {each.name: in_colours(each.plot, DARK if dark else LIGHT) for each in figures}


def _pandas():  # type: ignore[no-untyped-def]
    try:
        import pandas
    except ImportError as error:
        raise OutputError(TO_INSTALL) from error
    return pandas
