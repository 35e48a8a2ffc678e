"""Parses overrides as Hydra does, and suggests how to quote those that were misread.

A shell or Hydra may read an override otherwise than it was meant. Each suggestion ends with the
word to type, quoted for the shell and, where needed, for Hydra. The functions work within
`sweeper.cli.composition.loader`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import typing
from collections.abc import Iterator, Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweeper.common.errors import shortened
from sweeper.common.quoting import (
    braces_restored,
    in_quotes,
    joined,
    readings,
    split_problem,
    split_words,
    typed,
)
from sweeper.two_tower.config import known_keys, type_at
from sweeper.two_tower.config.experiment import ExperimentConfig

# What Hydra and OmegaConf raise for a configuration that can't be composed, for example because a
# number is too big for its type, a name too long for a file, or a list nested too deeply.
COMPOSING = (
    HydraException, OmegaConfBaseException, ArithmeticError, AssertionError, AttributeError,
    OSError, RecursionError, TypeError, ValueError,
)  # fmt: skip
# What Hydra raises for a text that is not an override.
PARSING = (HydraException, RecursionError, ValueError)
# How many values of a sweep are composed, each by itself, to find what is wrong.
MAX_EXPLAINED = 20


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parses the overrides as Hydra does."""
    # `glob(*)` asks the loader which files there are.
    config_loader = GlobalHydra.instance().config_loader()
    return list(OverridesParser.create(config_loader).parse_overrides(list(overrides)))


def is_override(text: str) -> bool:
    """Tells whether Hydra can read a text as KEY=VALUE."""
    try:
        return bool(parse([text])[0].key_or_group)
    except PARSING:
        return False


def begins_override(text: str) -> bool:
    """Tells whether a text is KEY=VALUE, or begins with a known KEY= and an unreadable value."""
    key, equals, _ = text.lstrip("+~").partition("=")
    known = {*known_keys(ExperimentConfig), "experiment", "hydra"}
    parts = key.replace("/", ".").split(".")
    # Below some keys the user chooses the names.
    is_known = any(".".join(parts[:number]) in known for number in range(1, len(parts) + 1))
    return is_override(text) or (bool(equals) and is_known)


def values_of(override: Override) -> list[str]:
    """Returns the override itself, or an override for each value of a sweep.

    An interval gives its ends, a range its first value, and a long list its first values.
    """
    key, value = override.get_key_element(), override.value()
    if isinstance(value, RangeSweep):
        # A range may be endless.
        return [f"{key}={value.start}"]
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if override.is_discrete_sweep():
        values = itertools.islice(override.sweep_string_iterator(), MAX_EXPLAINED)
        return [f"{key}={text}" for text in values]
    return [str(override.input_line)]


def fits(text: str) -> bool:
    """Tells whether Hydra can read an override, and its values have the type of its key."""
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
    """Tells whether a key of the schema, or of Hydra, takes any text."""
    section, _, last = key.rpartition(".")
    if section in ("data.items.lists", "data.users.lists") or key.startswith("hydra."):
        return True
    kind, node = type_at(ExperimentConfig, key), ExperimentConfig
    if section:
        node = type_at(ExperimentConfig, section)
    if str not in (typing.get_args(kind) or (kind,)) or not dataclasses.is_dataclass(node):
        return False
    field = next(each for each in dataclasses.fields(node) if each.name == last)
    range_ = field.metadata.get("range")
    return range_ is None or not range_.choices


# The values of these keys are single characters, mostly ones with a meaning in a shell.
DELIMITERS = (".csv.delimiter.", ".lists.")


def mended(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the overrides as they were probably meant, and a line for each misread one."""
    problems, meant = [], []
    groups = split_words(overrides, begins_override)
    for words, text in _typed_as_one(groups):
        if len(words) == 1 and is_override(text):
            meant.append(text)
        elif len(words) > 1 and fits(text):
            problems.append(split_problem(text, len(words)))
            meant.append(text)
        elif likely := _likely(text):
            problems.append(
                f"{shortened(text)}: has characters that Hydra reads in quotes only; quote it for "
                f"the shell and for Hydra: {typed(likely)}"
            )
            meant.append(likely)
        else:
            meant += words
    return meant, problems


def _typed_as_one(groups: Sequence[list[str]]) -> Iterator[tuple[list[str], str]]:
    """Yields words that were probably typed as one, and how that was typed."""

    def key(words: list[str]) -> object:
        name, equals, _ = words[0].partition("=")
        return name if len(words) == 1 and equals else id(words)

    for _, group in itertools.groupby(groups, key):
        run = list(group)
        alone = [words[0] for words in run if len(words) == 1]
        if len(alone) > 1 and (text := braces_restored(alone)):
            yield alone, text
            continue
        for words in run:
            yield words, joined(words) if len(words) > 1 else words[0]


def _likely(text: str) -> str:
    """Returns what an override that Hydra can't read was probably meant to be, or ""."""
    if "=" not in text:
        return ""
    return next((each for each in readings(text) if fits(each)), "")


def as_one_value(override: Override) -> str:
    """Returns an ending for the error line on a sweep whose commas may belong to a value."""
    if override.value_type != ValueType.SIMPLE_CHOICE_SWEEP:
        return ""
    text = str(override.input_line)
    meant = _likely(text)
    if meant.endswith("]"):
        return f"; for a list, quote it: {typed(meant)}"
    if not meant or not takes_any_text(override.key_or_group):
        return ""
    return f"; if the comma belongs to the value, quote it: {typed(meant)}"


def misread(overrides: Sequence[Override]) -> Iterator[str]:
    """Yields a line for each text that Hydra changes by reading it as a number or a boolean."""
    for override in overrides:
        value, given = override.value(), override.get_value_string().strip()
        if not isinstance(value, int | float) or str(value) == given:
            continue
        if takes_any_text(override.key_or_group):
            meant = f"{override.get_key_element()}={in_quotes(given)}"
            yield f"{override.input_line}: Hydra reads it as {value!r}; quote it: {typed(meant)}"


def hinted(problems: Sequence[str], overrides: Sequence[Override]) -> list[str]:
    """Adds to problems of values what to quote, if missing quotes may be the reason."""
    hints: dict[str, str] = {}
    for override in overrides:
        if hint := _blank_hint(override) or as_one_value(override):
            hints[override.key_or_group] = hint
    return [
        problem + next((hint for key, hint in hints.items() if problem.startswith(f"{key}:")), "")
        for problem in problems
    ]


def _blank_hint(override: Override) -> str:
    """Returns a hint if nothing, or only spaces (which Hydra drops), follows an override's "="."""
    key, (_, equals, given) = override.get_key_element(), str(override.input_line).partition("=")
    if not equals or given.strip():
        return ""
    if given:
        return f"; quote a space: {typed(f'{key}={in_quotes(given)}')}"
    words = '; nothing follows the "=", and the shell keeps ; & | < > # $ for itself'
    is_delimiter = any(part in f"{override.key_or_group}." for part in DELIMITERS)
    example = typed(f"{key}={in_quotes(';')}")
    return f"{words}: quote it, as in {example}" if is_delimiter else f"{words} unless quoted"
