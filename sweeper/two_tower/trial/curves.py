"""Draws `curves.png`: the loss and the accuracy of one trial by epoch."""

from __future__ import annotations

import io

from sweeper.two_tower.config import SEEN_FILTERED, metric_name
from sweeper.two_tower.record import TrialRecord


def draw_curves(record: TrialRecord) -> bytes:
    """Draws the trial's history; returns a PNG."""
    # pyplot would keep the figures and choose a backend of the screen.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, metric = record.rows, record.config["evaluation"]["metric"]
    bare = metric.removeprefix(SEEN_FILTERED)
    epochs = [row["epoch"] for row in record.history]
    figure = Figure(figsize=(10, 4), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, [row["loss"] for row in record.history], color="#4c72b0")
    loss.set(xlabel="epoch", ylabel="training loss (nats a row)", title="Loss")
    accuracy.set(
        xlabel="epoch", ylabel=f"{metric_name(bare)} ({rows} rows)", title=metric_name(bare)
    )
    lines = {
        bare: ("unfiltered", "#4c72b0"),
        f"{SEEN_FILTERED}{bare}": ("seen-filtered", "#dd8452"),
    }
    for name, (label, colour) in lines.items():
        accuracy.plot(
            epochs, [row[name] for row in record.history], color=colour, label=f"model, {label}"
        )
        popular = record.baselines.get("popularity", {}).get(rows)
        if popular:
            accuracy.axhline(
                popular[name], color=colour, linestyle=":", label=f"popularity, {label}"
            )
    if record.best_epoch is not None:
        why = f": best {lines[metric][0]}" if record.config["train"]["restore_best"] else ""
        accuracy.axvline(record.best_epoch, color="0.7", linewidth=1, label=f"weights kept{why}")
    accuracy.set_ylim(bottom=0)
    accuracy.legend(fontsize=8, frameon=False)
    for axes in (loss, accuracy):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
