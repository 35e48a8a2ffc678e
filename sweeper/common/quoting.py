"""Words of a command line that a shell has split, or whose value Hydra reads as its own syntax.

What a user types passes two readers. A shell splits it at spaces, expands braces and keeps
`; & | < > #` for itself; Hydra takes commas for several values and refuses what its grammar lacks,
letters with accents among it. Nothing here knows a configuration: callers say which text would do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from hydra.core.override_parser.types import Quote, QuotedString

from sweeper.common.errors import shortened

# What gives a list or a mapping its form; a text between them may need quotes of its own.
STRUCTURE = re.compile(r"\s*([\[\]{},:])\s*")
PLAIN = re.compile(r"[\w./+-]*", re.ASCII)
CLOSING = {"]": "[", "}": "{", ")": "("}


def split_words(words: Sequence[str], begins: Callable[[str], bool]) -> list[list[str]]:
    """Groups of words, each of which was probably typed as one KEY=VALUE.

    A word that begins none belongs to the KEY= before it, and so does all that stands before the
    bracket that closes one.

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
    """The line of an error on a KEY=VALUE that came as several arguments."""
    quote = "quote it as one" if typed(text) != text else "leave no space in it"
    return f"{shortened(text)}: the shell passed it as {number} arguments; {quote}: {typed(text)}"


def rejoined(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """KEY=VALUE as each was probably typed, and a line for each that came as several words."""
    groups = split_words(words, lambda word: "=" in word.lstrip("="))
    texts = [joined(group) if len(group) > 1 else group[0] for group in groups]
    problems = [
        split_problem(text, len(group))
        for text, group in zip(texts, groups, strict=True)
        if len(group) > 1
    ]
    return texts, problems


def _until_closed(group: Sequence[str], following: Sequence[str]) -> int:
    """How many of the following words it takes to close what brackets are open; 0 if none do."""
    if _is_closed(" ".join(group)) or "=" not in group[0]:
        return 0
    for number in range(1, len(following) + 1):
        if _is_closed(" ".join([*group, *following[:number]])):
            return number
    return 0


def _is_closed(text: str) -> bool:
    return all(text.count(opening) <= text.count(closing) for closing, opening in CLOSING.items())


def joined(words: Sequence[str]) -> str:
    """The words as one KEY=VALUE, without the spaces around its "="."""
    key, equals, value = " ".join(words).partition("=")
    return f"{key.rstrip()}{equals}{value.strip()}"


def braces_restored(words: Sequence[str]) -> str:
    """The mapping that a shell has made several words of: `a={x:1,y:2}` of `a=x:1` and `a=y:2`.

    "" where they are no parts of a mapping.
    """
    start, end = re.sub(r"(=[\[{]*).*", r"\1", words[0]), words[0][len(words[0].rstrip("]}")) :]
    if not all(word.startswith(start) and word.endswith(end) for word in words):
        return ""
    parts = [word[len(start) : len(word) - len(end)] for word in words]
    return f"{start}{{{','.join(parts)}}}{end}" if all(":" in part for part in parts) else ""


def readings(text: str) -> Iterator[str]:
    """A KEY=VALUE that Hydra can't take, as the user may have meant it; the likeliest first."""
    key, _, value = text.partition("=")
    if "," in value and not value.startswith(("[", "{")):
        yield f"{key}=[{value}]"
    if value.startswith(("[", "{")):
        pieces = (piece if PLAIN.fullmatch(piece) else _element(piece) for piece in _pieces(value))
        yield f"{key}={''.join(pieces)}"
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    yield f"{key}={in_quotes(value[1:-1] if is_quoted else value)}"


def _pieces(value: str) -> list[str]:
    """Brackets, commas and colons, and the texts between them."""
    return STRUCTURE.split(value)


def _element(piece: str) -> str:
    if STRUCTURE.fullmatch(piece):
        return f"{piece} " if piece in ",:" else piece
    # It is a text in quotes, or a reference, already.
    return piece if piece[0] in "\"'$" else in_quotes(piece)


def in_quotes(value: str) -> str:
    """A text as Hydra reads it whole."""
    return QuotedString(value, Quote.double).with_quotes()


def typed(override: str) -> str:
    """An override as it is typed in a shell, quoted where it must be."""
    return shlex.quote(override)
