"""Writes docs/configuration.md from the schema: each key, its type, default and range.

  python docs/configuration_page.py > docs/configuration.md

A test holds the page to what this prints.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

from omegaconf import MISSING

from sweeper.two_tower.config import describe_type
from sweeper.two_tower.config.experiment import ExperimentConfig

HEAD = """# Configuration

This page lists every key that YAML and the command line can set. `docs/configuration_page.py`
generates it from the schema. `python -m sweeper --help` shows the composed values, and `--cfg job`
shows the configuration of a command line. Unknown keys and values out of range are all reported at
once, before TensorFlow loads. The defaults below are those of the schema; files in `conf/` override
them, and `conf/config.yaml` chooses which files apply.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([HEAD, *_sections(ExperimentConfig, "")])


def _sections(schema: type, prefix: str) -> Iterator[str]:
    """A section for the schema's own values, then one for each part below it."""
    fields, types_ = dataclasses.fields(schema), typing.get_type_hints(schema)
    prose, attributes = _docstring(schema)
    own = [field for field in fields if not dataclasses.is_dataclass(types_[field.name])]
    if own:
        yield f"## {prefix.removesuffix('.') or 'At the top'}\n"
        yield f"{prose}\n"
        yield "| key | type | default | must be | |\n|---|---|---|---|---|"
        for field in own:
            cells = [
                f"`{prefix}{field.name}`",
                describe_type(types_[field.name]),
                f"`{_default(field)}`",
                field.metadata["range"].description if "range" in field.metadata else "",
                attributes.get(field.name, ""),
            ]
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
        yield ""
    for field in fields:
        kind = types_[field.name]
        if dataclasses.is_dataclass(kind):
            yield from _sections(typing.cast(type, kind), f"{prefix}{field.name}.")
        elif inside := [each for each in typing.get_args(kind) if dataclasses.is_dataclass(each)]:
            yield from _sections(inside[0], f"{prefix}{field.name}[].")


def _docstring(schema: type) -> tuple[str, dict[str, str]]:
    """The prose, in one line a paragraph, and the words of each attribute."""
    prose, _, listed = inspect.cleandoc(schema.__doc__ or "").partition("Attributes:")
    entries = re.findall(r"^  (\w+): (.*(?:\n    .*)*)", listed, re.MULTILINE)
    paragraphs = [" ".join(text.split()) for text in prose.strip().split("\n\n")]
    return "\n\n".join(paragraphs), {name: " ".join(text.split()) for name, text in entries}


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value == MISSING:
        return "???"
    if isinstance(value, list):
        return f"[{', '.join(_word(each) for each in value)}]"
    return _word(value)


def _word(value: Any) -> str:
    """As YAML has it."""
    if dataclasses.is_dataclass(value):
        inside = ", ".join(f"{key}: {_word(each)}" for key, each in vars(value).items())
        return f"{{{inside}}}"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


if __name__ == "__main__":
    print(page(), end="")
