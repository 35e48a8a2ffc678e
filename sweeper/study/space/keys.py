"""The keys that a study may search, and Python values as the text of Hydra overrides.

A key is a field of the app's schema (`model.dropout`), one of a dictionary that the schema leaves
open (`optimizer.options.momentum`), or a config group (`optimizer`).
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.common.errors import ConfigError, closest, closest_key, either
from sweeper.common.ranges import WIDTHS, Range, invalid_reason
from sweeper.common.schema import known_keys, unknown_key
from sweeper.study.app import App

TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

# What Hydra reads as text without quotes, apart from its own words.
UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
RESERVED = ("null", "true", "false", "inf", "nan")


def to_text(value: Any) -> str:
    """A value as Hydra's override grammar writes it, so that Hydra reads the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return value if _is_unquoted(value) else QuotedString(value, Quote.single).with_quotes()
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or not _is_unquoted(key):
                raise ConfigError(f"{key!r}: is no key that an override can have; must be a word")
        return "{" + ",".join(f"{key}:{to_text(value)}" for key, value in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(to_text, value)) + "]"
    raise ConfigError(f"{value!r}: is no value of a configuration")


def _is_unquoted(text: str) -> bool:
    return bool(UNQUOTED.fullmatch(text)) and text.lower() not in RESERVED


@dataclass(frozen=True)
class Key:
    """One key of the configuration.

    Attributes:
      type: of its values: int, float, bool, str, or Any other.
      range: what the schema says its values must be.
      options: of a config group, the names of its files; else None.
      element: how an override names it, with `++` where a key may be new.
      schema: that the key is a field of; None: it takes any value.
      is_optional: whether a config group may have no file, `GROUP=null`.
    """

    name: str
    type: Any
    range: Range | None
    options: tuple[str, ...] | None
    element: str
    schema: Any = None
    is_optional: bool = False

    def problem(self, value: Any) -> str:
        """Why the key can't have `value`: "must be …", or ""."""
        if reason := invalid_reason(value):
            return reason
        if self.options is not None:
            if value in self.options or (value is None and self.is_optional):
                return ""
            return f"must be one of {', '.join(self.options)}{closest(str(value), self.options)}"
        if isinstance(value, str) and "${" in value:
            return ""  # what it stands for is known when the configuration is composed
        if self.schema is not None:
            # A copy takes a seventh of the time that a schema takes to be built.
            schema = copy.deepcopy(_structured(self.schema))
            try:
                # force_add: what is below an open section may be new.
                OmegaConf.update(schema, self.name, value, force_add=True)
                value = OmegaConf.select(schema, self.name)
            except OmegaConfBaseException:
                return f"must be {TYPE_NAMES.get(self.type, self.type)}"
        if self.range is None or value is None or self.range.accepts(value):
            return ""
        hint = closest(str(value), self.range.choices) if self.range.choices else ""
        return f"must be {self.range.description}{hint}"


@functools.cache
def _structured(schema: type) -> DictConfig:
    return OmegaConf.structured(schema)


# Stands for a key that is wrong itself, so that its values are checked all the same.
ANY_KEY = Key("", Any, None, None, "")


@dataclass(frozen=True)
class SearchableKeys:
    """The keys and config groups that a study may search.

    Attributes:
      schema: a dataclass of the trials' configuration.
      groups: the names of the options of each config group.
      optional_groups: those that may have no file.
      open_sections: dictionaries of the schema that take whatever names the user gives.
      seeds: keys that are refused because they are seeds.
      grid_seeds: those of the seeds that a grid on the command line may search.
      not_searchable: keys and sections that are refused because they change no result.
    """

    schema: type
    groups: Mapping[str, Sequence[str]]
    optional_groups: Sequence[str] = ()
    open_sections: Sequence[str] = ()
    seeds: Sequence[str] = ()
    grid_seeds: Sequence[str] = ()
    not_searchable: Sequence[str] = ()

    @classmethod
    def of(cls, app: App, groups: Mapping[str, Sequence[str]]) -> SearchableKeys:
        """Returns the keys that an app says may be searched, with these options of its groups."""
        return cls(
            app.schema, groups, app.optional_groups, app.open_sections, app.seeds,
            app.grid_seeds, app.not_searchable,
        )  # fmt: skip

    def find(self, name: str, is_command_line: bool = False) -> Key:
        """Returns the key or config group of this name.

        Args:
          is_command_line: whether the command line searches it, where a grid may go over seeds.

        Raises:
          ConfigError: it can't be searched; the message has no key before it.
        """
        if reason := self._refusal(name, is_command_line):
            raise ConfigError(reason)
        if name in self.groups:
            options = tuple(self.groups[name])
            return Key(name, str, None, options, name, None, name in self.optional_groups)
        for section in self.open_sections:
            option = name.removeprefix(f"{section}.")
            if option != name and all(part.isidentifier() for part in option.split(".")):
                return Key(name, Any, None, None, f"++{name}")
        value_type: Any = self.schema
        value_range = None
        for part in name.split("."):
            fields = _fields(value_type)
            if part not in fields:
                hint = closest_key(name, [*known_keys(self.schema), *self.groups])
                raise ConfigError(unknown_key(self.schema, name, hint))
            value_range = fields[part].metadata.get("range")
            value_type = _plain(typing.get_type_hints(value_type)[part])
        if inside := [f"{name}.{field}" for field in _fields(value_type)]:
            raise ConfigError(f"holds several values; must be one of them: {either(inside)}")
        element = f"++{name}" if name in self.open_sections else name
        return Key(name, value_type, value_range, None, element, self.schema)

    def width_lists(self) -> list[str]:
        """Returns the keys that hold a list of layers' widths."""
        keys = known_keys(self.schema)
        return [key for key in keys if _range_of(self.schema, key) is WIDTHS]

    def _refusal(self, name: str, is_command_line: bool) -> str:
        top = re.split(r"[./]", name)[0]
        if name in self.seeds and not (is_command_line and name in self.grid_seeds):
            return "a seed is no hyperparameter; to train on several splits, set study.split_seeds"
        if top in ("study", "hydra"):
            return f"can't be searched; {top} is the same for all trials of a study"
        if {name, top} & set(self.not_searchable):
            return "can't be searched; it is no hyperparameter"
        return ""


def _range_of(schema: Any, key: str) -> Range | None:
    *sections, name = key.split(".")
    for section in sections:
        schema = _plain(typing.get_type_hints(schema)[section])
        if not _fields(schema):
            return None
    field = _fields(schema).get(name)
    return field.metadata.get("range") if field else None


def _fields(value_type: Any) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a part of the schema, by name; none where the type is of a value."""
    if not isinstance(value_type, type) or not dataclasses.is_dataclass(value_type):
        return {}
    return {field.name: field for field in dataclasses.fields(value_type)}


def _plain(hint: Any) -> Any:
    """The type of a field, without `| None`."""
    if not isinstance(hint, types.UnionType):
        return hint
    return next(part for part in typing.get_args(hint) if part is not types.NoneType)
