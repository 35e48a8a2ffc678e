"""Checks that values from JSON have the types of a dataclass's fields."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from typing import Any, get_args, get_origin, get_type_hints


@functools.cache
def hints_of(of: type) -> dict[str, Any]:
    """Returns the types of a dataclass's fields."""
    return get_type_hints(of)


def is_of(value: Any, hint: Any) -> bool:
    """Tells whether a value from JSON, with all that it contains, has a field's type."""
    if hint is Any:
        return True
    kind, inner = get_origin(hint), get_args(hint)
    if kind is types.UnionType:
        return any(is_of(value, each) for each in inner)
    if kind is list:
        return isinstance(value, list) and all(is_of(each, inner[0]) for each in value)
    if kind is dict:
        return isinstance(value, dict) and all(is_of(each, inner[1]) for each in value.values())
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        # Older records lack newer keys.
        hints = hints_of(hint)
        return isinstance(value, dict) and all(
            is_of(value[name], hints[name]) for name in hints if name in value
        )
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float) and -math.inf < value < math.inf
    return isinstance(value, hint)
