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

Every key that YAML and the command line can set, made from the schema by
`docs/configuration_page.py`. `python -m sweeper --help` shows the values as composed; `--cfg job`
what a command line comes to. A key that isn't here is refused, and so is a value out of its range,
all at once and before TensorFlow loads. The defaults are the schema's; the files in `conf/` set
their own over them, and `conf/config.yaml` says which are taken.
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
