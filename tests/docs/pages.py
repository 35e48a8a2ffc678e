"""The shell commands of the README and of docs/, as a reader would type them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


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
    """Those in blocks marked `sh`, in order; lines that end with a backslash go on."""
    inside, start, text = False, 0, ""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("```"):
            inside = line == "```sh"
            continue
        if not inside:
            continue
        start = start if text else number
        text += re.sub(r"(^|\s)#\s.*$", "", line).strip()
        if text.endswith("\\"):
            text = text[:-1]
            continue
        if text:
            yield Command(page.name, start, text)
        text = ""
