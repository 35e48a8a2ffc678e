"""Reports intermediate results of the trial that this process runs to its study.

A trial knows nothing of studies. It calls `report`, which does nothing outside a study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Report(Protocol):
    """Receives a step (the epoch) and its metrics; may raise `TrialPruned` to end the trial."""

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None: ...


_report: ContextVar[Report | None] = ContextVar("report", default=None)
_fingerprint: ContextVar[str | None] = ContextVar("fingerprint", default=None)


def in_study() -> bool:
    """Returns whether a study runs this trial."""
    return _report.get() is not None


def report(step: int, metrics: Mapping[str, float]) -> None:
    """Reports the metrics of a step to the study, if there is one.

    Raises:
      TrialPruned: the study ends the trial early.
    """
    receiver = _report.get()
    if receiver:
        receiver(step, metrics)


def expected_fingerprint() -> str | None:
    """Returns the fingerprint that the trial's data must have, or None if any data is accepted."""
    return _fingerprint.get()


@contextmanager
def reporting_to(receiver: Report, fingerprint: str | None = None) -> Iterator[None]:
    """Sends reports to `receiver` and expects data with `fingerprint` within the context."""
    tokens = _report.set(receiver), _fingerprint.set(fingerprint)
    try:
        yield
    finally:
        _report.reset(tokens[0])
        _fingerprint.reset(tokens[1])
