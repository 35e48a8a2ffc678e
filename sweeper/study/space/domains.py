"""The domains of the values of a study's parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sweeper.common.errors import closest
from sweeper.study.space.keys import to_text

if TYPE_CHECKING:
    import optuna

# The limits of listed values, each of which is composed and checked, and of counted steps.
MAX_CHOICES, MAX_STEPS = 1_000, 100_000
SCALARS = (type(None), bool, int, float, str)


class Domain(ABC):
    """The possible values of a dimension."""

    @abstractmethod
    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """Returns the value that Optuna suggests."""

    @abstractmethod
    def values(self) -> Sequence[Any] | None:
        """Returns all values in order, or None if they can't be listed."""

    @abstractmethod
    def extremes(self) -> Sequence[Any]:
        """Returns the lowest and the highest value, or every choice."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """Returns a user's value as Optuna stores it.

        Raises:
          ValueError: the domain lacks it; the message is "must be …".
        """

    def has(self, value: Any) -> bool:
        """Returns whether a user's value is in the domain."""
        try:
            self.encode(value)
        except ValueError:
            return False
        return True

    @abstractmethod
    def text(self, value: Any) -> str:
        """Returns the override text of a value that `encode` or `suggest` returned."""

    @abstractmethod
    def constraint(self) -> str:
        """Returns what a value must be, for errors: "one of 1, 2", "a number from 0.1 to 0.5"."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Returns plain JSON that is the same for the same domain."""


@dataclass(frozen=True)
class Interval(Domain):
    """Numbers from `low` to `high`, both included.

    `high` is on a step: an interval from 0 to 0.25 in steps of 0.1 ends at 0.2.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    is_int: bool = False

    @classmethod
    def of(cls, low: float, high: float, step: float | None, log: bool, is_int: bool) -> Interval:
        """Returns an interval that ends on a step, with only ints or only floats."""
        if step is not None:
            high = _on_step(low, steps_between(low, high, step), step)
        number = int if is_int else float
        return cls(number(low), number(high), None if step is None else number(step), log, is_int)

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        if self.is_int:
            return trial.suggest_int(
                name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log
            )
        # Optuna's 0.30000000000000004 becomes 0.3, as in a grid.
        suggested = trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)
        return self.encode(suggested)

    def values(self) -> Sequence[Any] | None:
        if self.is_int:
            return self._integers()
        if self.step is None:
            return None
        steps = steps_between(self.low, self.high, self.step)
        return [_on_step(self.low, index, self.step) for index in range(steps + 1)]

    def _integers(self) -> range:
        return range(int(self.low), int(self.high) + 1, int(self.step or 1))

    def extremes(self) -> Sequence[Any]:
        return [self.low, self.high]

    def encode(self, value: Any) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Values outside are not converted to float, since not every int can be.
        inside = number and self.low - 1 <= value <= self.high + 1
        encoded = self._nearest(value) if inside else None
        if encoded is None:
            raise ValueError(f"must be {self.constraint()}")
        return encoded

    def _nearest(self, value: float) -> float | None:
        """Returns the step that equals a value up to rounding, or None."""
        if self.is_int:
            return int(value) if value == int(value) and int(value) in self._integers() else None
        if self.step is None:
            return float(value) if self.low <= value <= self.high else None
        index = round((value - self.low) / self.step)
        nearest = _on_step(self.low, index, self.step)
        inside = 0 <= index <= steps_between(self.low, self.high, self.step)
        return nearest if inside and abs(nearest - value) <= 1e-6 * self.step else None

    def text(self, value: Any) -> str:
        return to_text(value)

    def constraint(self) -> str:
        kind = "a whole number" if self.is_int else "a number"
        steps = f" in steps of {self.step}" if self.step else ""
        return f"{kind} from {self.low} to {self.high}{steps}"

    def describe(self) -> dict[str, Any]:
        kind = "int" if self.is_int else "float"
        ends = {"low": self.low, "high": self.high}
        return {"type": kind, **ends, "step": self.step, "log": self.log}


@dataclass(frozen=True)
class Choices(Domain):
    """Listed values. Optuna stores scalars as they are, and lists as their override text.

    Attributes:
      given: the values.
      texts: the override text of each value, as the command line wrote it.
    """

    given: tuple[Any, ...]
    texts: tuple[str, ...]

    @classmethod
    def of(cls, given: Sequence[Any]) -> Choices:
        return cls(tuple(given), tuple(map(to_text, given)))

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        return trial.suggest_categorical(name, self.values())

    def values(self) -> Sequence[Any]:
        return [
            value if isinstance(value, SCALARS) else text
            for value, text in zip(self.given, self.texts, strict=True)
        ]

    def extremes(self) -> Sequence[Any]:
        return self.values()

    def encode(self, value: Any) -> Any:
        for given, stored in zip(self.given, self.values(), strict=True):
            if _same(value, given) or _same(value, stored):
                return stored
        raise ValueError(f"must be {self.constraint()}{closest(str(value), self.texts)}")

    def text(self, value: Any) -> str:
        return self.texts[self.values().index(value)]

    def constraint(self) -> str:
        return f"one of {', '.join(self.texts)}"

    def describe(self) -> dict[str, Any]:
        return {"choices": list(self.values())}


def _same(left: Any, right: Any) -> bool:
    """Returns whether two values are equal, where true is not 1 (OmegaConf compares lists so)."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _on_step(low: float, index: int, step: float) -> float:
    """Computes a step in decimals, as the user wrote them: three steps of 0.1 from 0 are 0.3."""
    return float(Decimal(repr(low)) + index * Decimal(repr(step)))


def too_many_steps(low: float, high: float, step: float) -> bool:
    """Returns whether there are more than `MAX_STEPS` steps."""
    return (Decimal(repr(high)) - Decimal(repr(low))) / Decimal(repr(step)) > MAX_STEPS


def steps_between(low: float, high: float, step: float) -> int:
    """Returns the number of whole steps from `low` to `high`, computed in decimals."""
    return int((Decimal(repr(high)) - Decimal(repr(low))) // Decimal(repr(step)))
