"""What to type in place of an override that a shell or Hydra has taken otherwise than it was meant.

Each line ends with the word to type, quoted for the shell and, where it must be, for Hydra.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from hydra.core.override_parser.types import Override, ValueType

from sweeper.cli.overrides.parsing import begins_override, fits, is_override, takes_any_text
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

# Of these keys the value is a single character, mostly one that a shell keeps for itself.
DELIMITERS = (".csv.delimiter.", ".lists.")


def mended(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides as they were probably meant, and a line for each that was taken otherwise."""
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
    """Words that were probably typed as one, and how it was typed."""

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
    """What an override that Hydra can't read was probably meant to be, or ""."""
    if "=" not in text:
        return ""
    return next((each for each in readings(text) if fits(each)), "")


def as_one_value(override: Override) -> str:
    """What ends an error's line on a sweep whose commas may have been meant: how to quote it."""
    if override.value_type != ValueType.SIMPLE_CHOICE_SWEEP:
        return ""
    text = str(override.input_line)
    meant = next((each for each in readings(text) if fits(each)), "")
    if meant.endswith("]"):
        return f"; for a list, quote it: {typed(meant)}"
    if not meant or not takes_any_text(override.key_or_group):
        return ""
    return f"; if the comma belongs to the value, quote it: {typed(meant)}"


def misread(overrides: Sequence[Override]) -> Iterator[str]:
    """A line for each text that Hydra takes for a number or a truth value, and changes by that."""
    for override in overrides:
        value, given = override.value(), override.get_value_string().strip()
        if not isinstance(value, int | float) or str(value) == given:
            continue
        if takes_any_text(override.key_or_group):
            meant = f"{override.get_key_element()}={in_quotes(given)}"
            yield f"{override.input_line}: Hydra reads it as {value!r}; quote it: {typed(meant)}"


def hinted(problems: Sequence[str], overrides: Sequence[Override]) -> list[str]:
    """Problems with values, with what to quote where that may be their reason."""
    hints: dict[str, str] = {}
    for override in overrides:
        if hint := _blank_hint(override) or as_one_value(override):
            hints[override.key_or_group] = hint
    return [
        problem + next((hint for key, hint in hints.items() if problem.startswith(f"{key}:")), "")
        for problem in problems
    ]


def _blank_hint(override: Override) -> str:
    """Where nothing follows the "=" of an override, or nothing but spaces, which Hydra drops."""
    key, (_, equals, given) = override.get_key_element(), str(override.input_line).partition("=")
    if not equals or given.strip():
        return ""
    if given:
        return f"; quote a space: {typed(f'{key}={in_quotes(given)}')}"
    words = '; nothing follows the "=", and the shell keeps ; & | < > # $ for itself'
    is_delimiter = any(part in f"{override.key_or_group}." for part in DELIMITERS)
    example = typed(f"{key}={in_quotes(';')}")
    return f"{words}: quote it, as in {example}" if is_delimiter else f"{words} unless quoted"
