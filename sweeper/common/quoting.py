"""Restores overrides that a shell has split, or whose value Hydra reads as its own syntax.

Two programs read what a user types. A shell splits it at spaces, expands braces and interprets
`; & | < > #`. Hydra reads commas as several values, and refuses what its grammar lacks, such as
letters with accents. This module doesn't know the configuration: callers say which text would fit.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from hydra.core.override_parser.types import Quote, QuotedString

from sweeper.common.errors import shortened

# The signs of lists and mappings; a text between them may need its own quotes.
STRUCTURE = re.compile(r"\s*([\[\]{},:])\s*")
PLAIN = re.compile(r"[\w./+-]*", re.ASCII)
CLOSING = {"]": "[", "}": "{", ")": "("}


def split_words(words: Sequence[str], begins: Callable[[str], bool]) -> list[list[str]]:
    """Groups words that were probably typed as one KEY=VALUE.

    A word that begins no KEY=VALUE belongs to the KEY= before it, and so do all words up to the
    bracket that closes an open one.

    Args:
      begins: whether a word looks like the beginning of a KEY=VALUE.
    """
    groups: list[list[str]] = []
    index = 0
    while index < len(words):
        group = [words[index]]
        index += 1
        for word in words[index:]:
            has_key = "=" in "".join(group) or word.startswith("=")
            if not has_key or begins(word):
                break
            group.append(word)
        index += len(group) - 1
        if further := _until_closed(group, words[index:]):
            group += words[index : index + further]
            index += further
        groups.append(group)
    return groups


def split_problem(text: str, number: int) -> str:
    """Returns the error line on a KEY=VALUE that arrived as several arguments."""
    quote = "quote it as one" if typed(text) != text else "leave no space in it"
    return f"{shortened(text)}: the shell passed it as {number} arguments; {quote}: {typed(text)}"


def rejoined(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns each KEY=VALUE as it was probably typed, and a line for each that was split."""
    groups = split_words(words, lambda word: "=" in word.lstrip("="))
    texts = [joined(group) if len(group) > 1 else group[0] for group in groups]
    problems = [
        split_problem(text, len(group))
        for text, group in zip(texts, groups, strict=True)
        if len(group) > 1
    ]
    return texts, problems


def _until_closed(group: Sequence[str], following: Sequence[str]) -> int:
    """Returns how many of the following words close the open brackets; 0 if they don't."""
    if _is_closed(" ".join(group)) or "=" not in group[0]:
        return 0
    for number in range(1, len(following) + 1):
        if _is_closed(" ".join([*group, *following[:number]])):
            return number
    return 0


def _is_closed(text: str) -> bool:
    return all(text.count(opening) <= text.count(closing) for closing, opening in CLOSING.items())


def joined(words: Sequence[str]) -> str:
    """Joins words to one KEY=VALUE, without spaces around its "="."""
    key, equals, value = " ".join(words).partition("=")
    return f"{key.rstrip()}{equals}{value.strip()}"


def braces_restored(words: Sequence[str]) -> str:
    """Restores a mapping that a shell has expanded: `a={x:1,y:2}` from `a=x:1` and `a=y:2`.

    Returns "" if the words are not parts of a mapping.
    """
    start, end = re.sub(r"(=[\[{]*).*", r"\1", words[0]), words[0][len(words[0].rstrip("]}")) :]
    if not all(word.startswith(start) and word.endswith(end) for word in words):
        return ""
    parts = [word[len(start) : len(word) - len(end)] for word in words]
    return f"{start}{{{','.join(parts)}}}{end}" if all(":" in part for part in parts) else ""


def readings(text: str) -> Iterator[str]:
    """Yields what the user may have meant by a KEY=VALUE that Hydra refuses, likeliest first."""
    key, _, value = text.partition("=")
    if "," in value and not value.startswith(("[", "{")):
        yield f"{key}=[{value}]"
    if value.startswith(("[", "{")):
        # Brackets, commas and colons, and the texts between them.
        split = STRUCTURE.split(value)
        pieces = (piece if PLAIN.fullmatch(piece) else _element(piece) for piece in split)
        yield f"{key}={''.join(pieces)}"
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    yield f"{key}={in_quotes(value[1:-1] if is_quoted else value)}"


def _element(piece: str) -> str:
    if STRUCTURE.fullmatch(piece):
        return f"{piece} " if piece in ",:" else piece
    # Quoted texts and references stay as they are.
    return piece if piece[0] in "\"'$" else in_quotes(piece)


def in_quotes(value: str) -> str:
    """Quotes a text for Hydra."""
    return QuotedString(value, Quote.double).with_quotes()


def typed(override: str) -> str:
    """Quotes an override for a shell, if needed."""
    return shlex.quote(override)
