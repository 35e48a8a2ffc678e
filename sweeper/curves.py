"""`curves.png`: loss and accuracy of one trial against its epochs."""

from __future__ import annotations

import io

from sweeper.record import TrialRecord


def draw_curves(record: TrialRecord) -> bytes:
    """A picture of the trial's history as PNG."""
    # Not through pyplot, which keeps figures and picks a screen's backend.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = record.rows
    epochs = [row["epoch"] for row in record.history]
    figure = Figure(figsize=(10, 4), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, [row["loss"] for row in record.history], color="#4c72b0")
    loss.set(xlabel="epoch", ylabel="training loss (nats a row)", title="Loss")
    accuracy.set(xlabel="epoch", ylabel=f"top-100 accuracy ({rows} rows)", title="Accuracy")
    lines = (
        ("top_100", "unfiltered", "#4c72b0"),
        ("seen_filtered_top_100", "seen-filtered", "#dd8452"),
    )
    for metric, label, colour in lines:
        accuracy.plot(
            epochs, [row[metric] for row in record.history], color=colour, label=f"model, {label}"
        )
        popular = record.baselines.get("popularity", {}).get(rows)
        if popular:
            accuracy.axhline(
                popular[metric], color=colour, linestyle=":", label=f"popularity, {label}"
            )
    if record.kept_epoch is not None:
        accuracy.axvline(record.kept_epoch, color="0.7", linewidth=1, label="weights kept")
    accuracy.set_ylim(bottom=0)
    accuracy.legend(fontsize=8, frameon=False)
    for axes in (loss, accuracy):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
