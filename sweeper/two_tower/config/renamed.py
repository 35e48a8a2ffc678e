"""Keys that an earlier version called otherwise, and the error line for unknown keys."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

# Since 0.2.0.
RENAMED_KEYS = {
    "evaluation.rows": "evaluation.split",
    "evaluation.keep_rows": "evaluation.save_ranks",
    "evaluation.time_queries": "evaluation.measure_latency",
}


def unknown_key(key: str, hint: str) -> str:
    """Returns what is wrong with a dotted key that the schema lacks: it is unknown, or was renamed.

    Args:
      hint: the ending of the message on an unknown key, see `common.errors.closest_key`.
    """
    if key in RENAMED_KEYS:
        return f"was renamed to {RENAMED_KEYS[key]} in version 0.2.0; use the new name"
    return f"is not a key of the configuration{hint}"


def with_new_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a recorded configuration (nested dictionaries) with the present names of its keys."""
    renamed = copy.deepcopy(dict(config))
    for old, new in RENAMED_KEYS.items():
        section, _, name = old.rpartition(".")
        values = renamed.get(section)
        if isinstance(values, dict) and name in values:
            values.setdefault(new.rpartition(".")[2], values[name])
            del values[name]
    return renamed
