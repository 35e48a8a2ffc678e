"""Keys that have another name than in an earlier version, and how unknown keys are reported."""

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
    """What is wrong with a dotted key that the schema lacks: it is unknown, or has a new name.

    Args:
      hint: ends the message of an unknown key, see `common.errors.closest_key`.
    """
    if key in RENAMED_KEYS:
        return f"is called {RENAMED_KEYS[key]} since version 0.2.0; use that name"
    return f"is no key of the configuration{hint}"


def with_new_names(config: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded configuration, as nested dictionaries, with the present names of its keys."""
    renamed = copy.deepcopy(dict(config))
    for old, new in RENAMED_KEYS.items():
        section, _, name = old.rpartition(".")
        values = renamed.get(section)
        if isinstance(values, dict) and name in values:
            values.setdefault(new.rpartition(".")[2], values[name])
            del values[name]
    return renamed
