"""Describes the types of keys for users, and finds values of another type."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import MISSING, BooleanNode, FloatNode, IntegerNode, StringNode
from omegaconf.errors import ValidationError

from sweeper.common.errors import closest, shortened
from sweeper.common.ranges import invalid_reason
from sweeper.common.schema import unknown_key

NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text"}
# They accept what OmegaConf does: "5" is a whole number, "yes" is true.
NODES: dict[Any, Callable[..., Any]] = {
    bool: BooleanNode,
    int: IntegerNode,
    float: FloatNode,
    str: StringNode,
}


def describe_type(kind: Any) -> str:
    """Describes a type for users: "number or null", "list of texts"."""
    if kind in NAMES:
        return NAMES[kind]
    if kind is type(None):
        return "null"
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join(describe_type(each) for each in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        (inside,) = typing.get_args(kind)
        return f"list of {'mappings' if inside not in NAMES else NAMES[inside] + 's'}"
    return "mapping"


def type_at(schema: type, key: str) -> Any:
    """Returns the type of a dotted key of a schema; None if it has no such key."""
    kind: Any = schema
    for part in key.split("."):
        if not dataclasses.is_dataclass(kind):
            return None
        kind = typing.get_type_hints(kind).get(part)
    return kind


def type_problems(key: str, value: Any, kind: Any) -> Iterator[str]:
    """Finds values from YAML that are not of their key's type.

    Args:
      key: the dotted key, or "" for the whole configuration.
      value: plain lists, dictionaries and scalars; interpolations are not checked.
      kind: the key's type in the schema.

    Yields:
      "key: got x; must be y" for each.
    """
    alternatives = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if isinstance(value, str) and "${" in value:
        return
    if value is None and type(None) in alternatives:
        return
    kinds = [each for each in alternatives if each is not type(None)]
    kind, inside = kinds[0], typing.get_args(kinds[0])
    if isinstance(value, list) and typing.get_origin(kind) is list:
        for index, element in enumerate(value):
            yield from type_problems(f"{key}[{index}]", element, inside[0])
    elif isinstance(value, Mapping) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        for name, element in value.items():
            place = f"{key}.{name}".lstrip(".")
            if name in hints:
                yield from type_problems(place, element, hints[name])
            else:
                section, hint = place.removesuffix(str(name)), closest(str(name), hints)
                schema = typing.cast(type, kind)
                yield f"{place}: {unknown_key(schema, str(name), hint, section)}"
    elif reason := invalid_reason(value):
        yield f"{key}: got {shortened(repr(value))}; {reason}"
    elif not any(_is_of(value, each) for each in kinds):
        expected = describe_type(typing.Union[alternatives])  # noqa: UP007
        article = "" if expected.startswith("true") else "a "
        given = "null" if value is None else shortened(repr(value))
        yield f"{key}: got {given}; must be {article}{expected}{_example(kind)}"


def _is_of(value: Any, kind: Any) -> bool:
    """Tells whether a value is of a type that contains no others."""
    if kind in NODES:
        try:
            NODES[kind](value, is_optional=False)
        except ValidationError:
            return False
        return True
    return isinstance(value, Mapping) and typing.get_origin(kind) is dict


def _example(kind: Any) -> str:
    """Returns an ending for an error line on a missing mapping: the keys that it must have."""
    inside = next(iter(typing.get_args(kind)), kind)
    if not dataclasses.is_dataclass(inside):
        return ""
    needed = [field.name for field in dataclasses.fields(inside) if field.default == MISSING]
    example = ", ".join(f"{name}: {name.upper()}" for name in needed)
    return f", such as {{{example}}}" if example else ""
