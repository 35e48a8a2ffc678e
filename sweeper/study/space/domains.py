"""The domains that the values of a study's parameters come from."""

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

# Of a list, each of which is composed and checked by itself; and of steps, which are counted.
MAX_CHOICES, MAX_STEPS = 1_000, 100_000
SCALARS = (type(None), bool, int, float, str)


class Domain(ABC):
    """The values that a dimension can take."""

    @abstractmethod
    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        """The value that Optuna suggests."""

    @abstractmethod
    def values(self) -> Sequence[Any] | None:
        """All values in order; None where they can't be listed."""

    @abstractmethod
    def extremes(self) -> Sequence[Any]:
        """The lowest and the highest value, or every choice."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """A user's value as Optuna has it.

        Raises:
          ValueError: the domain lacks it; in words, "must be …".
        """

    def has(self, value: Any) -> bool:
        """Whether a user's value is in the domain."""
        try:
            self.encode(value)
        except ValueError:
            return False
        return True

    @abstractmethod
    def text(self, value: Any) -> str:
        """The override text of a value that `encode` or `suggest` returned."""

    @abstractmethod
    def constraint(self) -> str:
        """For an error: "one of 1, 2", "a number from 0.1 to 0.5"."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Plain JSON, the same for the same domain."""


@dataclass(frozen=True)
class Interval(Domain):
    """Numbers from `low` to `high`, both included.

    `high` is on a step: 0.25 in steps of 0.1 from 0 ends at 0.2.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    is_int: bool = False

    @classmethod
    def of(cls, low: float, high: float, step: float | None, log: bool, is_int: bool) -> Interval:
        """An interval that ends on a step, of ints or of floats throughout."""
        if step is not None:
            high = _on_step(low, steps_between(low, high, step), step)
        number = int if is_int else float
        return cls(number(low), number(high), None if step is None else number(step), log, is_int)

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        if self.is_int:
            return trial.suggest_int(
                name, int(self.low), int(self.high), step=int(self.step or 1), log=self.log
            )
        # Optuna's 0.30000000000000004 becomes the 0.3 of a grid.
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
        # Nothing outside is turned into a float, which not every int can be.
        inside = number and self.low - 1 <= value <= self.high + 1
        encoded = self._nearest(value) if inside else None
        if encoded is None:
            raise ValueError(f"must be {self.constraint()}")
        return encoded

    def _nearest(self, value: float) -> float | None:
        """The value itself, on its step; None where it is on none, or outside."""
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
    """Listed values. Optuna has scalars as they are, and lists as their override text.

    Attributes:
      texts: how an override writes each; kept as it stood on the command line.
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
    """Equal, and not true for 1; in lists, OmegaConf itself tells them apart."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _on_step(low: float, index: int, step: float) -> float:
    """In decimals, as the user wrote them: three steps of 0.1 from 0 are 0.3."""
    return float(Decimal(repr(low)) + index * Decimal(repr(step)))


def too_many_steps(low: float, high: float, step: float) -> bool:
    """Whether there are more than `MAX_STEPS`, or more than can be counted."""
    return (Decimal(repr(high)) - Decimal(repr(low))) / Decimal(repr(step)) > MAX_STEPS


def steps_between(low: float, high: float, step: float) -> int:
    """How many whole steps there are from `low` to `high`, in decimals."""
    return int((Decimal(repr(high)) - Decimal(repr(low))) // Decimal(repr(step)))
