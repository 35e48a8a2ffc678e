"""Whether what was read from JSON is of the types that a dataclass's fields have."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from typing import Any, get_args, get_origin, get_type_hints


@functools.cache
def hints_of(of: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(of)


def is_of(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is of a field's type, with all that is in it."""
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
        # A record that is older than a key lacks it.
        hints = hints_of(hint)
        return isinstance(value, dict) and all(
            is_of(value[name], hints[name]) for name in hints if name in value
        )
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float) and -math.inf < value < math.inf
    return isinstance(value, hint)
