"""The shipped configuration with other values, and what is wrong with it."""

from __future__ import annotations

import copy
import dataclasses

from small_trials import compose_config

from sweeper.common.errors import ConfigError
from sweeper.two_tower.config import Config
from sweeper.two_tower.validation import validate

SHIPPED = compose_config()


def changed(**values: object) -> Config:
    """The shipped configuration with values set by their dotted keys ("__" for ".")."""
    config = copy.deepcopy(SHIPPED)
    for key, value in values.items():
        *path, name = key.split("__")
        node = config
        for part in path:
            node = node[int(part)] if isinstance(node, list) else getattr(node, part)
        assert name in {field.name for field in dataclasses.fields(node)}
        setattr(node, name, value)
    return config


def problems_of(**values: object) -> list[str]:
    """What the check of a changed configuration says; nothing if it is right."""
    try:
        validate(changed(**values))
    except ConfigError as error:
        return error.problems
    return []
