"""The shell commands of the README, CONTRIBUTING and docs/, as a reader would type them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_THIS_PROJECT = r"python -m (?:sweeper|benchmarks)\b[^`…]*"


@dataclass(frozen=True)
class Command:
    """One command, without its comment; its words as a shell would split them."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def commands(page: Path) -> Iterator[Command]:
    """In order: each of a block marked `sh`, and each that output follows, after "$ ".

    Lines that end with a backslash go on; what `&&` joins are several commands.
    """
    inside, start, text = "", 0, ""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("```"):
            inside = "" if inside else line[3:]
            continue
        if inside == "text" and line.startswith("$ "):
            yield Command(page.name, number, line[2:])
        if inside != "sh":
            continue
        start = start if text else number
        text += re.sub(r"(^|\s)#\s.*$", "", line).strip()
        if text.endswith("\\"):
            text = text[:-1]
            continue
        for part in filter(None, text.split(" && ")):
            yield Command(page.name, start, part.strip())
        text = ""


def mentioned(page: Path) -> Iterator[Command]:
    """Commands of this project in the text itself, between backticks."""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        for text in re.findall(f"`({OF_THIS_PROJECT})`", line):
            yield Command(page.name, number, text)


def shown_by_help() -> list[Command]:
    """The examples of `python -m sweeper --help`."""
    page = ROOT / "conf" / "config.yaml"
    lines = (line.strip() for line in page.read_text().splitlines())
    texts = (line.partition("   ")[0] for line in lines if line.startswith("python -m sweeper"))
    return [Command(page.name, 0, text) for text in texts]
