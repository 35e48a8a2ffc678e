"""The kinds of parameters of a study.

A parameter sets one key of the configuration. Optuna suggests its dimensions: one of the same
name for a single value, several for the layer sizes of the towers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sweeper.common.errors import either
from sweeper.study.space.domains import Choices, Domain
from sweeper.study.space.keys import Key, to_text

SHAPES = ("constant", "narrowing", "free")

# By the name of a dimension: the values under which another one is active.
Conditions = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Dimension:
    """A value that Optuna suggests under one name if the conditions hold."""

    name: str
    domain: Domain
    when: Conditions


@dataclass(frozen=True)
class Parameter(ABC):
    """A parameter: the key that it sets, and the conditions under which it is active."""

    name: str
    key: Key
    when: Conditions = field(default_factory=dict, kw_only=True)

    @abstractmethod
    def dimensions(self) -> list[Dimension]:
        """Returns the dimensions in the order in which they are suggested."""

    @abstractmethod
    def text(self, values: Mapping[str, Any]) -> str | None:
        """Returns the value of its key as override text, or None if a dimension has no value."""

    @abstractmethod
    def encode(self, value: Any) -> dict[str, Any]:
        """Returns the values of the dimensions that give this value of its key.

        Raises:
          ValueError: there are none; the message is "must be …".
        """

    @abstractmethod
    def size(self) -> int:
        """Returns the number of values of its key, if they can be listed."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Returns plain JSON of its values, without key and conditions."""


@dataclass(frozen=True)
class SingleParameter(Parameter):
    """A parameter with one dimension."""

    domain: Domain

    def dimensions(self) -> list[Dimension]:
        return [Dimension(self.name, self.domain, self.when)]

    def text(self, values: Mapping[str, Any]) -> str | None:
        return self.domain.text(values[self.name]) if self.name in values else None

    def encode(self, value: Any) -> dict[str, Any]:
        return {self.name: self.domain.encode(value)}

    def size(self) -> int:
        return len(self.domain.values() or ())

    def describe(self) -> dict[str, Any]:
        return self.domain.describe()


@dataclass(frozen=True)
class TowersParameter(Parameter):
    """The layer sizes of the towers: a depth, a shape and widths.

    With `constant`, all layers have one width; `narrowing` halves the width from layer to layer,
    down to the lowest width; `free` has a width for each layer.
    """

    depth: Domain
    width: Domain
    shapes: tuple[str, ...]

    @property
    def _depths(self) -> list[int]:
        return list(self.depth.values() or ())

    @property
    def _width_values(self) -> list[int]:
        return list(self.width.values() or ())

    def dimensions(self) -> list[Dimension]:
        dimensions = [Dimension(f"{self.name}.depth", self.depth, self.when)]
        some_layer = self._from_depth(1)
        if len(self.shapes) > 1:
            shape = Choices.of(self.shapes)
            dimensions.append(Dimension(f"{self.name}.shape", shape, {**self.when, **some_layer}))
        one_width = tuple(shape for shape in self.shapes if shape != "free")
        if one_width:
            when = {**self.when, **some_layer, **self._of_shape(one_width)}
            dimensions.append(Dimension(f"{self.name}.width", self.width, when))
        if "free" in self.shapes:
            for layer in range(1, max(self._depths) + 1):
                when = {**self.when, **self._from_depth(layer), **self._of_shape(("free",))}
                dimensions.append(Dimension(f"{self.name}.width_{layer}", self.width, when))
        return dimensions

    def _from_depth(self, layer: int) -> Conditions:
        deep_enough = tuple(depth for depth in self._depths if depth >= layer)
        return {f"{self.name}.depth": deep_enough} if len(deep_enough) < len(self._depths) else {}

    def _of_shape(self, shapes: tuple[str, ...]) -> Conditions:
        return {f"{self.name}.shape": shapes} if len(shapes) < len(self.shapes) else {}

    def text(self, values: Mapping[str, Any]) -> str | None:
        sizes = self.layer_sizes(values)
        return None if sizes is None else to_text(sizes)

    def layer_sizes(self, values: Mapping[str, Any]) -> list[int] | None:
        """Returns the widths of the layers, or None if a dimension has no value."""
        depth = values.get(f"{self.name}.depth")
        if not depth:
            return [] if depth == 0 else None
        shape = values.get(f"{self.name}.shape", self.shapes[0] if len(self.shapes) == 1 else None)
        if shape == "free":
            names = [f"{self.name}.width_{layer}" for layer in range(1, depth + 1)]
            return [values[name] for name in names] if set(names) <= set(values) else None
        width = values.get(f"{self.name}.width")
        if shape is None or width is None:
            return None
        return self._of_one_width(shape, width, depth)

    def _of_one_width(self, shape: str, width: int, depth: int) -> list[int]:
        if shape == "constant":
            return [width] * depth
        lowest = min(self._width_values)
        return [max(width >> layer, lowest) for layer in range(depth)]

    def encode(self, value: Any) -> dict[str, Any]:
        """Encodes layer sizes by the first shape that gives them."""
        wrong = ValueError(f"must be {self._constraint()}")
        if not isinstance(value, list) or not self.depth.has(len(value)):
            raise wrong
        depth = {f"{self.name}.depth": self.depth.encode(len(value))}
        if not value:
            return depth
        for shape in self.shapes:
            values = depth | ({f"{self.name}.shape": shape} if len(self.shapes) > 1 else {})
            with suppress(ValueError):
                values |= self._widths(shape, value)
                if self.layer_sizes(values) == value:
                    return values
        raise wrong

    def _widths(self, shape: str, sizes: list[Any]) -> dict[str, Any]:
        if shape != "free":
            return {f"{self.name}.width": self.width.encode(sizes[0])}
        return {
            f"{self.name}.width_{layer}": self.width.encode(width)
            for layer, width in enumerate(sizes, start=1)
        }

    def size(self) -> int:
        return sum(map(self._size_of_depth, self._depths))

    def _size_of_depth(self, depth: int) -> int:
        widths = self._width_values
        of_one_width = {
            tuple(self._of_one_width(shape, width, depth))
            for shape in self.shapes
            for width in widths
            if shape != "free"
        }
        if "free" not in self.shapes:
            return len(of_one_width)
        # A halved width may be one that a free layer can't have.
        others = [sizes for sizes in of_one_width if not set(sizes) <= set(widths)]
        return len(widths) ** depth + len(others)

    def _constraint(self) -> str:
        return (
            f"a list of widths with shape {either(self.shapes)}; its length must be "
            f"{self.depth.constraint()}, its widths {self.width.constraint()}"
        )

    def describe(self) -> dict[str, Any]:
        parts = {"depth": self.depth.describe(), "width": self.width.describe()}
        return {"towers": {**parts, "shape": list(self.shapes)}}
