"""What a report consists of: sections of text, tables, code and figures.

A report is built of these alone, and written from them both as HTML and as Markdown.
Texts may have `code` and **strong** words; nothing else in them is markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import plotly.graph_objects as go

NUMBER = re.compile(
    r"[-+−<]?[\d.,]+(e[-+]?\d+)?( ?[%×]|:\d\d(:\d\d)?| ± .*| ▾| s| ms| MB| to [-+−]?[\d.,]+)*"
)
NOTHING = ("", "–")

# A header and the cells below it.
Column = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
      role: "plain"; "lead", the sentence that a section is there for; "note", in small.
    """

    kind: ClassVar[str] = "text"

    text: str
    role: str = "plain"


@dataclass(frozen=True)
class Table:
    """Cells as they are shown.

    Attributes:
      rows: each with a cell for every column.
      strong: the indices of the rows that stand out.
      note: what its marks mean.
    """

    kind: ClassVar[str] = "table"

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    strong: frozenset[int] = frozenset()
    note: str = ""

    @classmethod
    def of_columns(
        cls,
        columns: Sequence[Column],
        title: str = "",
        strong: frozenset[int] = frozenset(),
        note: str = "",
    ) -> Table:
        """A table that is given column by column."""
        rows = zip(*(cells for _, cells in columns), strict=True)
        return cls([header for header, _ in columns], list(map(list, rows)), title, strong, note)

    @property
    def is_pairs(self) -> bool:
        """Whether it has a name and a text in each row; long texts are broken then."""
        return len(self.columns) == 2 and not any(self.numeric)

    @property
    def numeric(self) -> list[bool]:
        """Of each column, whether it holds numbers or intervals: on one line, set flush right."""
        cells = [[row[index] for row in self.rows] for index in range(len(self.columns))]
        return [
            all(cell in NOTHING or NUMBER.fullmatch(cell) for cell in column) for column in cells
        ]


@dataclass(frozen=True)
class Code:
    """Something to copy: a command, a file."""

    kind: ClassVar[str] = "code"

    text: str
    language: str
    title: str = ""


@dataclass(frozen=True)
class Figure:
    """A plot, and in words and numbers what it shows.

    Attributes:
      name: unique in the report; letters, digits and "_".
      caption: how to read it; it is also what a screen reader says.
      numbers: its key numbers; they stand in for the plot in the Markdown report.
      height: in CSS pixels.
      min_width: in CSS pixels; on a narrower screen it scrolls in a box of its own.
    """

    kind: ClassVar[str] = "figure"

    name: str
    title: str
    caption: str
    plot: go.Figure
    numbers: Table | None = None
    height: int = 420
    min_width: int = 0


@dataclass(frozen=True)
class Gallery:
    """Small figures side by side, as many as fit, with one caption for all."""

    kind: ClassVar[str] = "gallery"

    title: str
    caption: str
    figures: Sequence[Figure]
    numbers: Table | None = None


Block = Text | Table | Code | Figure | Gallery


@dataclass(frozen=True)
class Section:
    """A part of the report, under a title.

    Attributes:
      name: its anchor, unique in the report.
    """

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class KeyValue:
    """One of the few values at the head of the report."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
      problems: what could not be read or compared, a line each.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    key_values: Sequence[KeyValue] = ()
    problems: Sequence[str] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, Figure]:
        """Every plot, by name, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        figures = [
            figure
            for block in blocks
            for figure in (block.figures if isinstance(block, Gallery) else [block])
            if isinstance(figure, Figure)
        ]
        return {figure.name: figure for figure in figures}
