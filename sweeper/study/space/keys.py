"""The keys that a study may search, and the text of Hydra overrides.

A key is a field of the app's schema (`model.dropout`), a name in a dictionary that the schema
leaves open (`optimizer.options.momentum`), or a config group (`optimizer`).
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

# Text that Hydra reads without quotes, apart from reserved words.
UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
RESERVED = ("null", "true", "false", "inf", "nan")


def to_text(value: Any) -> str:
    """Returns a value in Hydra's override grammar, so that Hydra reads the same value."""
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
                raise ConfigError(f"{key!r}: is not a valid key in an override; must be a word")
        return "{" + ",".join(f"{key}:{to_text(value)}" for key, value in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(to_text, value)) + "]"
    raise ConfigError(f"{value!r}: is not a valid value in a configuration")


def _is_unquoted(text: str) -> bool:
    return bool(UNQUOTED.fullmatch(text)) and text.lower() not in RESERVED


@dataclass(frozen=True)
class Key:
    """A key of the configuration.

    Attributes:
      name: the dotted key, or the name of the config group.
      type: the type of its values: int, float, bool, str, or Any for others.
      range: the range of its values in the schema, or None.
      options: the names of the files of a config group; None for other keys.
      element: the key in an override, with `++` if the key may be new.
      schema: the schema that has the key as a field; None if the key accepts any value.
      is_optional: whether a config group may be set to null, `GROUP=null`.
    """

    name: str
    type: Any
    range: Range | None
    options: tuple[str, ...] | None
    element: str
    schema: Any = None
    is_optional: bool = False

    def problem(self, value: Any) -> str:
        """Returns why the key can't have a value, "must be …", or ""."""
        if reason := invalid_reason(value):
            return reason
        if self.options is not None:
            if value in self.options or (value is None and self.is_optional):
                return ""
            return f"must be one of {', '.join(self.options)}{closest(str(value), self.options)}"
        if isinstance(value, str) and "${" in value:
            return ""  # It is resolved when the configuration is composed.
        if self.schema is not None:
            # Copying a schema is seven times as fast as building one.
            schema = copy.deepcopy(_structured(self.schema))
            try:
                # force_add: keys in an open section may be new.
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


# Replaces a key that is wrong itself, so that its values are checked nevertheless.
ANY_KEY = Key("", Any, None, None, "")


@dataclass(frozen=True)
class SearchableKeys:
    """The keys and config groups that a study may search.

    Attributes:
      schema: the dataclass of a trial's configuration.
      groups: the names of the options of each config group.
      optional_groups: the groups that may be set to null.
      open_sections: the dictionaries of the schema that accept any names.
      seeds: keys that are refused because they are seeds.
      grid_seeds: the seeds among them that a grid on the command line may search.
      not_searchable: keys and sections that are refused because they do not affect results.
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
          is_command_line: whether the command line searches it, where a grid may search seeds.

        Raises:
          ConfigError: it can't be searched; the message doesn't begin with the key.
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
            raise ConfigError(f"is a section; must be one of its keys: {either(inside)}")
        element = f"++{name}" if name in self.open_sections else name
        return Key(name, value_type, value_range, None, element, self.schema)

    def width_lists(self) -> list[str]:
        """Returns the keys that hold a list of layers' widths."""
        keys = known_keys(self.schema)
        return [key for key in keys if _range_of(self.schema, key) is WIDTHS]

    def _refusal(self, name: str, is_command_line: bool) -> str:
        top = re.split(r"[./]", name)[0]
        if name in self.seeds and not (is_command_line and name in self.grid_seeds):
            return (
                "can't be searched, because it is a seed; to train on several splits, set "
                "study.split_seeds"
            )
        if top in ("study", "hydra"):
            return f"can't be searched, because {top} is the same for all trials of a study"
        if {name, top} & set(self.not_searchable):
            return "can't be searched, because it does not affect results"
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
    """Returns the fields of a section of the schema, by name; {} for the type of a value."""
    if not isinstance(value_type, type) or not dataclasses.is_dataclass(value_type):
        return {}
    return {field.name: field for field in dataclasses.fields(value_type)}


def _plain(hint: Any) -> Any:
    """Returns the type of a field without `| None`."""
    if not isinstance(hint, types.UnionType):
        return hint
    return next(part for part in typing.get_args(hint) if part is not types.NoneType)
