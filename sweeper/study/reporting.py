"""The trial that this process runs for a study, for whoever reports on it.

A trial knows nothing of studies. What a study wants to know in between reaches it
through `report`, which does nothing outside a study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Report(Protocol):
    """Takes a step (the epoch) and its metrics; may raise `sweeper.common.errors.TrialPruned`."""

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None: ...


_report: ContextVar[Report | None] = ContextVar("report", default=None)
_fingerprint: ContextVar[str | None] = ContextVar("fingerprint", default=None)


def in_study() -> bool:
    """Whether a study runs this trial."""
    return _report.get() is not None


def report(step: int, metrics: Mapping[str, float]) -> None:
    """Tells the study how far the trial is.

    Raises:
      TrialPruned: the study doesn't want the rest.
    """
    receiver = _report.get()
    if receiver:
        receiver(step, metrics)


def expected_fingerprint() -> str | None:
    """Of the data that the study's trials are trained on; None where any will do."""
    return _fingerprint.get()


@contextmanager
def reporting_to(receiver: Report, fingerprint: str | None = None) -> Iterator[None]:
    """Within it, `report` reaches `receiver`, and `expected_fingerprint` is `fingerprint`."""
    tokens = _report.set(receiver), _fingerprint.set(fingerprint)
    try:
        yield
    finally:
        _report.reset(tokens[0])
        _fingerprint.reset(tokens[1])
