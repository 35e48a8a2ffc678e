"""Overrides as Hydra reads them, and the keys of the schema that they name."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import typing
from collections.abc import Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.study.config import ExperimentConfig
from sweeper.two_tower.config import known_keys

# What Hydra and OmegaConf raise of a configuration that can't be composed: numbers too big for
# their type, names too long for a file, lists in lists in lists among their reasons.
COMPOSING = (
    HydraException, OmegaConfBaseException, ArithmeticError, AssertionError, AttributeError,
    OSError, RecursionError, TypeError, ValueError,
)  # fmt: skip
# What Hydra raises of a text that is no override.
PARSING = (HydraException, RecursionError, ValueError)
# So many values of a sweep are composed, each by itself, to see what is wrong.
MAX_EXPLAINED = 20


def parse(overrides: Sequence[str]) -> list[Override]:
    """The overrides, as Hydra reads them."""
    # `glob(*)` asks the loader which files there are.
    config_loader = GlobalHydra.instance().config_loader()
    return list(OverridesParser.create(config_loader).parse_overrides(list(overrides)))


def is_override(text: str) -> bool:
    """Whether Hydra can read it as KEY=VALUE."""
    try:
        return bool(parse([text])[0].key_or_group)
    except PARSING:
        return False


def begins_override(text: str) -> bool:
    """Whether it can be read as KEY=VALUE, or has a known KEY= although its value can't be read."""
    key, equals, _ = text.lstrip("+~").partition("=")
    known = {*known_keys(ExperimentConfig), "experiment", "hydra"}
    parts = key.replace("/", ".").split(".")
    # Below some keys there are whatever names the user gives.
    is_known = any(".".join(parts[:number]) in known for number in range(1, len(parts) + 1))
    return is_override(text) or (bool(equals) and is_known)


def values_of(override: Override) -> list[str]:
    """The override itself, or one for each value that it sweeps over.

    Of an interval its ends, of a range its first, of a long list its first ones.
    """
    key, value = override.get_key_element(), override.value()
    if isinstance(value, RangeSweep):
        # Not all of them: there may be no end of them.
        return [f"{key}={value.start}"]
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if override.is_discrete_sweep():
        values = itertools.islice(override.sweep_string_iterator(), MAX_EXPLAINED)
        return [f"{key}={text}" for text in values]
    return [str(override.input_line)]


def fits(text: str) -> bool:
    """Whether Hydra can read an override, and its key can have its values, by their type."""
    try:
        return all(_fits(parse([value])[0]) for value in values_of(parse([text])[0]))
    except COMPOSING:
        return False


def _fits(override: Override) -> bool:
    key, value = override.key_or_group, override.value()
    if options := GlobalHydra.instance().config_loader().get_group_options(key):
        return value is None or value in options
    if not key.startswith("hydra."):
        # An unknown key, or a value of another type, is an error of OmegaConf.
        OmegaConf.update(copy.deepcopy(_schema()), key, value, force_add=override.is_add())
    return True


@functools.cache
def _schema() -> DictConfig:
    return OmegaConf.structured(ExperimentConfig)


def takes_any_text(key: str) -> bool:
    """Whether a key of the schema, or of Hydra, holds a text that the user makes up."""
    section, _, last = key.rpartition(".")
    if section in ("data.items.lists", "data.users.lists") or key.startswith("hydra."):
        return True
    node: Any = ExperimentConfig
    for part in filter(None, section.split(".")):
        node = typing.get_type_hints(node).get(part)
        if not dataclasses.is_dataclass(node):
            return False
    field = {each.name: each for each in dataclasses.fields(node)}.get(last)
    if field is None or str not in _alternatives(typing.get_type_hints(node)[last]):
        return False
    range_ = field.metadata.get("range")
    return range_ is None or not range_.choices


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that a field may have, one or several."""
    return typing.get_args(hint) or (hint,)
