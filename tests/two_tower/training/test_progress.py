"""What a person sees during training: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import re

from rich.console import Console

from sweeper.two_tower.training import progress
from sweeper.two_tower.training.loop import Evaluation
from sweeper.two_tower.training.progress import TrainingProgress


def evaluation(epoch: int, accuracy: float, metric: str = "top_100") -> Evaluation:
    return Evaluation(epoch, 6.5, {metric: accuracy}, 1.0, 0.1, 123_456.0)


def shown(
    terminal: bool, accuracies: list[float], epochs: int = 20, metric: str = "top_100"
) -> str:
    """The output of a training that is evaluated every epoch and may stop early."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=80, color_system=None)
    with TrainingProgress(console, epochs, "validation", metric) as bar:
        for epoch, accuracy in enumerate(accuracies, start=1):
            bar.on_epoch(epoch, 6.5, 123_456.0)
            bar.on_evaluation(evaluation(epoch, accuracy, metric))
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())


def test_the_bar_fits_80_columns_and_ends_with_the_last_accuracy():
    last = shown(True, [0.1, 0.2, 0.4321], epochs=3).strip().splitlines()[-1]
    for part in ("epoch 3/3", "loss 6.500", "validation top-100 0.4321", "123k examples/s"):
        assert part in last
    assert "…" not in last


def test_the_accuracy_that_the_training_goes_by_is_shown():
    metric = "seen_filtered_top_100"
    last = shown(True, [0.4321], epochs=300, metric=metric).strip().splitlines()[-1]
    for part in ("loss 6.500", "seen-filtered top-100 0.4321", "123k examples/s"):
        assert part in last
    assert "…" not in last
    assert "validation seen-filtered top-100 0.4321  123" in shown(False, [0.4321], metric=metric)


def test_lines_are_few_but_the_first_and_the_last_are_there():
    lines = shown(False, [0.1, 0.2, 0.3, 0.4321]).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/20", "epoch 4/20"]
    assert "validation top-100 0.4321  123,456 examples/s" in lines[-1]
    # Four epochs took 1.1 s, of 20.
    assert lines[-1].endswith("  4 s left")


def test_lines_come_as_often_as_they_are_due(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert len(shown(False, [0.1, 0.2, 0.3]).splitlines()) == 3
