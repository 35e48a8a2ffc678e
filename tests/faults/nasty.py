"""What a user, a damaged file or a foe may put where something sensible belongs."""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

# An example that fails is small as it is; to shrink one that is slow takes minutes.
OFTEN = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}
NASTY_TEXTS = [
    "", " ", "\0", "\n", "a\nb", "null", "true", "nan", "inf", "1e400", "${", "${x}", "${.x}", "$",
    "${oc.env:HOME}", "../x", "/", "~nobody/x", "é", "\u202e", "\ud800", "'", '"', "\\", "a" * 5000,
    "<script>", "!!python/object/apply:os.system [ls]", "{", "[", "0x10", "1_000", "model",
]  # fmt: skip
NASTY_NUMBERS = [
    0, -1, 1, 2, 0.1, -0.0, 2**31, 2**63, 10**30, -(10**30), 10**400, 1e308, -1e308, 5e-324, 1e-12,
    math.nan, math.inf, -math.inf,
]  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.sampled_from(NASTY_NUMBERS), st.sampled_from(NASTY_TEXTS),
    st.integers(), st.floats(), st.text(max_size=10),
)  # fmt: skip
keys = st.one_of(st.text(max_size=8), st.sampled_from(NASTY_TEXTS), st.integers(0, 3), st.none())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=8,
)


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """What becomes of a file's bytes."""
    how = draw(st.sampled_from(["flip", "flip", "cut", "empty", "insert", "double", "other"]))
    share, junk = draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=40))

    def damage(content: bytes) -> bytes:
        place = int(share * len(content))
        ways = {
            "flip": content[:place] + junk + content[place + len(junk) :],
            "cut": content[:place],
            "empty": b"",
            "insert": content[:place] + junk + content[place:],
            "double": content * 2,
            "other": junk,
        }
        return ways[how]

    return damage


@st.composite
def mutated(draw: st.DrawFn, original: Any, most: int = 3) -> Any:
    """A tree of mappings and lists with a few places replaced, left out, renamed or nested."""
    tree = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(tree))
        if not places:
            break
        node, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "leave out", "rename", "nest", "swap"]))
        if how == "replace":
            node[key] = draw(values)
        elif how == "leave out":
            del node[key]
        elif how == "rename" and isinstance(node, dict):
            node[draw(keys)] = node.pop(key)
        elif how == "nest":
            node[key] = [node[key]] if draw(st.booleans()) else {draw(keys): node[key]}
        else:
            other, place = draw(st.sampled_from(places))
            if place in other if isinstance(other, dict) else place < len(other):
                node[key] = copy.deepcopy(other[place])
    return tree


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each (mapping or list, key or index) in a tree."""
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(inner):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


def made_new(directory: Path) -> Path:
    """The directory, empty: one test has many examples."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return directory
