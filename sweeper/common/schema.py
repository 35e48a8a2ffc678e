"""Configurations as dataclasses and as nested dictionaries: their keys, old names and ranges."""

from __future__ import annotations

import copy
import dataclasses
import functools
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import MISSING, OmegaConf

from sweeper.common.errors import closest, shortened
from sweeper.common.ranges import Range, invalid_reason


def known_keys(schema: type) -> list[str]:
    """Returns every dotted key of a schema, sections included."""
    return list(_known_keys(schema))


@functools.cache
def _known_keys(schema: type) -> tuple[str, ...]:
    return tuple(nested_keys(OmegaConf.to_container(OmegaConf.structured(schema))))


def nested_keys(node: Any, prefix: str = "") -> Iterator[str]:
    """Yields every dotted key of nested dictionaries, sections included."""
    for name, value in node.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from nested_keys(value, f"{prefix}{name}.")


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested dictionaries by dotted keys; lists and empty dictionaries are values."""
    keys: dict[str, Any] = {}
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            keys |= flatten(value, f"{prefix}{name}.")
        else:
            keys[f"{prefix}{name}"] = value
    return keys


def unflatten(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Returns nested dictionaries for dotted keys; the inverse of `flatten`."""
    node: dict[str, Any] = {}
    for key, value in keys.items():
        *sections, name = key.split(".")
        inside = node
        for section in sections:
            inside = inside.setdefault(section, {})
        inside[name] = value
    return node


@functools.cache
def renamed_keys(schema: type, prefix: str = "") -> dict[str, str]:
    """Returns the present dotted key of each key that had another name in an earlier version."""
    renamed: dict[str, str] = {}
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        if old := field.metadata.get("renamed_from"):
            renamed[f"{prefix}{old}"] = f"{prefix}{field.name}"
        if dataclasses.is_dataclass(section := hints[field.name]):
            renamed |= renamed_keys(section, f"{prefix}{field.name}.")  # type: ignore[arg-type]
    return renamed


def unknown_key(schema: type, key: str, hint: str, section: str = "") -> str:
    """Says what is wrong with a dotted key that a schema lacks: it is unknown, or was renamed.

    Args:
      hint: ends the message of an unknown key, see `sweeper.common.errors.closest_key`.
      section: where the schema lies in a larger one, "evaluation.".
    """
    if new := renamed_keys(schema).get(key):
        return f"was renamed to {section}{new} in version 0.2.0; use the new name"
    return f"is not a key of the configuration{hint}"


def with_new_names(schema: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a recorded configuration, as nested dictionaries, with the present names of keys."""
    renamed = copy.deepcopy(dict(config))
    for old, new in renamed_keys(schema).items():
        section, _, name = old.rpartition(".")
        values = renamed.get(section)
        if isinstance(values, dict) and name in values:
            values.setdefault(new.rpartition(".")[2], values[name])
            del values[name]
    return renamed


def section_type_errors(node: Any, schema: Any, prefix: str = "") -> Iterator[str]:
    """Yields a line for each single value where a section belongs: OmegaConf lets `${…}` be any."""
    for field in dataclasses.fields(schema):
        key, section = f"{prefix}{field.name}", getattr(schema, field.name)
        if not dataclasses.is_dataclass(section):
            continue
        value = getattr(node, field.name)
        if type(value) is type(section):
            yield from section_type_errors(value, section, f"{key}.")
        else:
            names = ", ".join(each.name for each in dataclasses.fields(section))
            yield f"{key}: got {shortened(repr(value))}; must have {names}"


def range_problems(node: Any, prefix: str = "") -> Iterator[str]:
    """Yields a line, "key: got x; must be y", for each value outside its field's range."""
    for field in dataclasses.fields(node):
        key, value = f"{prefix}{field.name}", getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            yield from range_problems(value, f"{key}.")
            continue
        range_: Range | None = field.metadata.get("range")
        # A float that is not finite is reported by its range, if it has one.
        if (reason := invalid_reason(value)) and not (range_ and isinstance(value, float)):
            yield f"{key}: got {shortened(repr(value))}; {reason}"
            continue
        if value == MISSING and isinstance(value, str):
            yield f"{key}: is missing; must be {range_.description if range_ else 'given'}"
        elif range_ and value is not None and not range_.accepts(value):
            hint = ""
            if range_.choices:
                hint = range_.hint(value) or closest(value, range_.choices)
            yield f"{key}: got {value!r}; must be {range_.description}{hint}"
        if isinstance(value, list):
            for index, element in enumerate(value):
                if dataclasses.is_dataclass(element):
                    yield from range_problems(element, f"{key}[{index}].")
