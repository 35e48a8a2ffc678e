"""Draws popularity, time, activity and test rows of a data set in four plots."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from sweeper.inspect.held_out import SplitProfiles
from sweeper.inspect.profile import DataProfile
from sweeper.two_tower.data.interactions import Interactions

BLUE, ORANGE, GREEN = "#4c72b0", "#dd8452", "#55a868"
TIME_BINS, ACTIVITY_BINS = 60, 30
# In days since 1970: one day within the years 1 to 9999, as a tick may be before the first bin.
FIRST_DAY, LAST_DAY = -719_161, 2_932_895


def draw(interactions: Interactions, profile: DataProfile) -> bytes:
    """Returns the picture as PNG."""
    # Without pyplot, which keeps figures and selects a backend for screens.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2)
    _popularity(axes[0, 0], interactions, profile)
    _time(axes[0, 1], interactions)
    _activity(axes[1, 0], interactions)
    _held_out(axes[1, 1], profile.splits)
    for each in axes.flat:
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    # Shortened, because a source may be a long path.
    figure.suptitle(f"{profile.source[:90]}\n{profile.rows:,} interactions", fontsize=10)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _popularity(axes: Any, interactions: Interactions, profile: DataProfile) -> None:
    counts = np.sort(np.bincount(interactions.items))[::-1]
    counts = counts[counts > 0]
    axes.loglog(np.arange(1, len(counts) + 1), counts, color=BLUE)
    head = max(1.0, 0.1 * profile.items)
    axes.axvline(head, color=ORANGE, linewidth=1)
    axes.annotate(
        f" top 10 %:\n {100 * profile.popularity.top_10_percent:.0f} % of interactions",
        (head, counts[0]),
        color=ORANGE,
        fontsize=9,
        va="top",
    )
    axes.set(
        xlabel="item, by rank",
        ylabel="interactions",
        title=f"Popularity (Gini {profile.popularity.gini:.2f})",
    )


def _time(axes: Any, interactions: Interactions) -> None:
    axes.set_title("Interactions over time")
    if interactions.timestamps is None:
        axes.text(0.5, 0.5, "there are no times", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    counts, edges = np.histogram(interactions.timestamps, bins=TIME_BINS)
    # Matplotlib only has dates in the years 1 to 9999, but bins, margins and ticks may exceed them.
    edges = np.clip(edges, FIRST_DAY * 86_400, LAST_DAY * 86_400)
    axes.stairs(counts, edges.astype("datetime64[s]"), fill=True, color=BLUE)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, FIRST_DAY), min(high, LAST_DAY))
    axes.tick_params(axis="x", rotation=20)
    axes.set_ylabel("interactions")


def _activity(axes: Any, interactions: Interactions) -> None:
    counts = np.bincount(interactions.users)
    counts = counts[counts > 0]
    # Edges are between whole numbers, so that each number is in one bin.
    edges = np.geomspace(counts.min(), counts.max() + 1, ACTIVITY_BINS)
    edges = np.unique(np.floor(edges)) - 0.5
    axes.hist(counts, bins=edges, color=BLUE)
    axes.set_xscale("log")
    axes.set(xlabel="interactions of a user", ylabel="users", title="Activity")


def _held_out(axes: Any, splits: SplitProfiles) -> None:
    places = np.arange(len(splits.known))
    for offset, label, colour, attribute in (
        (-0.27, "cold user", BLUE, "cold_user"),
        (0.0, "cold item", ORANGE, "cold_item"),
        (0.27, "no history", GREEN, "no_history"),
    ):
        counts = [(getattr(profile, attribute), profile.rows) for profile in splits.known.values()]
        shares = [np.nan if count is None else 100 * count / rows for count, rows in counts]
        bars = axes.bar(places + offset, shares, 0.27, color=colour, label=label)
        labels = ["" if np.isnan(share) else f"{share:.1f} %" for share in shares]
        axes.bar_label(bars, labels, fontsize=8)
    axes.set_xticks(places, list(splits.known))
    axes.set(ylabel="% of test rows", title="What is not known of the test rows of each split")
    axes.set_ylim(bottom=0)
    axes.margins(y=0.15)
    axes.legend(fontsize=8, frameon=False)
