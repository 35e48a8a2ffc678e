"""Writes a report as Markdown: texts, tables, and of each plot its key numbers."""

from __future__ import annotations

from collections.abc import Iterator

from sweeper.report.page import Block, Code, Figure, Gallery, Page, Table, Text


def markdown_of(page: Page) -> str:
    """The whole document."""
    return "\n\n".join(_parts(page)) + "\n"


def _parts(page: Page) -> Iterator[str]:
    yield f"# {page.title}"
    yield page.subtitle
    if page.problems:
        yield "\n".join(f"> **Problem:** {problem}" for problem in page.problems)
    if page.key_figures:
        yield "\n".join(
            f"- {figure.label}: **{figure.value}**{f' ({figure.note})' if figure.note else ''}"
            for figure in page.key_figures
        )
    for section in page.sections:
        yield f"## {section.title}"
        for block in section.blocks:
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Text):
        yield f"*{block.text}*" if block.role == "note" else block.text
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Code):
        if block.title:
            yield f"{block.title}:"
        yield f"```{block.language}\n{block.text}\n```"
    elif isinstance(block, Figure | Gallery):
        yield f"### {block.title}"
        yield block.caption
        if block.numbers:
            yield from _table(block.numbers)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"**{table.title}**"
    ruler = ["---:" if is_number else "---" for is_number in table.numeric]
    lines = [table.columns, ruler, *(_strong(table, index) for index in range(len(table.rows)))]
    yield "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
    if table.note:
        yield f"*{table.note}*"


def _strong(table: Table, index: int) -> list[str]:
    row = table.rows[index]
    return [f"**{cell}**" if cell and index in table.strong else cell for cell in row]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
