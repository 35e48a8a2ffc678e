"""Writes a report as Markdown: texts, tables, and of each plot its key numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sweeper.report.rendering.page import Block, Code, Figure, Gallery, Page, Table, Text

TAG, FENCE = re.compile(r"<(?=[A-Za-z/!?])"), re.compile(r"`+")


def markdown_of(page: Page) -> str:
    """The whole document."""
    return "\n\n".join(_parts(page)) + "\n"


def _plain(text: str) -> str:
    """A text in which nothing is HTML or a link; a lone "<" stays."""
    return TAG.sub("&lt;", text).replace("](", "]\\(")


def _line(text: str) -> str:
    return _plain(" ".join(text.split()))


def _parts(page: Page) -> Iterator[str]:
    yield f"# {_line(page.title)}"
    yield _plain(page.subtitle)
    if page.problems:
        yield "\n".join(f"> - **Problem:** {_line(problem)}" for problem in page.problems)
    if page.key_values:
        lines = [
            f"- {each.label}: **{each.value}**{f' ({each.note})' if each.note else ''}"
            for each in page.key_values
        ]
        yield "\n".join(map(_line, lines))
    for section in page.sections:
        yield f"## {_line(section.title)}"
        for block in section.blocks:
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Text):
        text = _plain(block.text)
        yield f"*{text}*" if block.role == "note" else text
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Code):
        if block.title:
            yield f"{_line(block.title)}:"
        # The fence is longer than any in the text.
        fence = "`" * max(3, 1 + max(map(len, FENCE.findall(block.text)), default=0))
        yield f"{fence}{block.language}\n{block.text}\n{fence}"
    elif isinstance(block, Figure | Gallery):
        yield f"### {_line(block.title)}"
        yield _plain(block.caption)
        if block.numbers:
            yield from _table(block.numbers)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"**{_line(table.title)}**"
    ruler = ["---:" if is_number else "---" for is_number in table.numeric]
    lines = [table.columns, ruler, *(_strong(table, index) for index in range(len(table.rows)))]
    yield "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
    if table.note:
        yield f"*{_plain(table.note)}*"


def _strong(table: Table, index: int) -> list[str]:
    row = table.rows[index]
    return [f"**{cell}**" if cell and index in table.strong else cell for cell in row]


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
