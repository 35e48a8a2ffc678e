"""Accuracy against the depth and the width of the towers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

import plotly.graph_objects as go

from sweeper.report.rendering.page import Figure, Section, Table, Text
from sweeper.report.rendering.palette import plot, scale
from sweeper.results.formatting import count, metric_label, number, signed
from sweeper.results.scored_rows import is_accuracy
from sweeper.results.seed_groups import has_seed_groups, seed_group_ratio
from sweeper.results.significance import (
    Key,
    Sample,
    compare_samples,
)
from sweeper.results.statistics import Comparison
from sweeper.results.study_results import StudyResults
from sweeper.results.towers import TowerSize, best_of_each_depth, configurations_of, pruned_by_size

# The values of the configurations of each depth and width, the best first.
Cells = Mapping[TowerSize, Sequence[float]]


def architecture_section(results: StudyResults) -> Section | None:
    """Whether depth helped, and the heat map; None where all towers are alike."""
    cells = cells_of(results)
    if len(cells) < 2:
        return None
    text = depth_text(results)
    helped = [Text(text, "lead")] if text else []
    return Section("architecture", "Depth and width", [*helped, depth_and_width(results, cells)])


def cells_of(results: StudyResults) -> Cells:
    cells: dict[TowerSize, list[float]] = {}
    for each in configurations_of(results):
        cells.setdefault((each.depth, each.width), []).append(each.value)
    return cells


def depth_and_width(results: StudyResults, cells: Cells) -> Figure:
    """The best value of each depth and width, and the number of configurations."""
    words, over_seeds = metric_label(results.metric), has_seed_groups(results)
    pruned = pruned_by_size(results)
    figure = plot(_heat(results, cells, pruned), x="width of the first layer", y="layers")
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False)
    counted = "complete" if pruned and not over_seeds else f"{_noun(results)}s"
    columns = ["layers", "width", counted, "best", "median"]
    rows = [
        [str(depth), _width(width), str(len(own)), number(own[0]), number(median(own))]
        for (depth, width), own in sorted(cells.items())
    ]
    if pruned:
        columns.insert(3, "pruned")
        for row, size in zip(rows, sorted(cells), strict=True):
            row.insert(3, str(pruned[size]))
    return Figure(
        "depth_and_width",
        f"The best {'mean ' if over_seeds else ''}{words} by depth and width",
        " ".join(_caption(over_seeds, bool(pruned))),
        figure,
        Table(columns, rows, "By depth and width"),
        height=110 + (92 if pruned else 76) * len({depth for depth, _ in cells}),
    )


def _noun(results: StudyResults) -> str:
    return "configuration" if has_seed_groups(results) else "trial"


def _caption(over_seeds: bool, pruned: bool) -> Iterator[str]:
    of = "configuration, by its mean over the seeds," if over_seeds else "complete trial"
    yield f"A cell is the best {of} with so many layers, the first of that width."
    if pruned:
        yield "Pruned trials are counted, not compared: they ended before their best."
    yield f"A cell of many {'configurations' if over_seeds else 'trials'} has had more chances."


def _width(width: int) -> str:
    return str(width) if width else "none"


def _heat(results: StudyResults, cells: Cells, pruned: Mapping[TowerSize, int]) -> go.Heatmap:
    depths = sorted({depth for depth, _ in cells})
    widths = sorted({width for _, width in cells})
    sizes = [[(depth, width) for width in widths] for depth in depths]
    noun = _noun(results)
    return go.Heatmap(
        z=[[cells[size][0] if size in cells else None for size in line] for line in sizes],
        x=[_width(width) for width in widths],
        y=[str(depth) for depth in depths],
        text=[
            [_cell_text(cells[size], noun, pruned[size]) if size in cells else "" for size in line]
            for line in sizes
        ],
        texttemplate="%{text}",
        customdata=[[count(len(cells.get(size, ())), noun) for size in line] for line in sizes],
        colorscale=scale(),
        reversescale=not results.is_maximized,
        xgap=3,
        ygap=3,
        showscale=False,
        hoverongaps=False,
        hovertemplate="depth %{y}, width %{x}: %{z:.4f}<br>%{customdata}<extra></extra>",
    )


def _cell_text(values: Sequence[float], noun: str, pruned: int) -> str:
    best = f"<b>{number(values[0])}</b>"
    if not pruned:
        return f"{best}<br>{count(len(values), noun)}"
    complete = f"{len(values):,} complete" if noun == "trial" else count(len(values), noun)
    return f"{best}<br>{complete}<br>{pruned:,} pruned"


def depth_text(results: StudyResults) -> str | None:
    """Says whether depth helped; None where the depths share neither seeds nor rows."""
    if len(results.objectives) != 1 or not is_accuracy(results.metric):
        return None
    samples, ratio = _best_of_each(results)
    depths = sorted(samples, key=int)
    steps = list(pairwise(depths))
    compared = compare_samples(samples, [(deeper, less) for less, deeper in steps], ratio)
    if not compared:
        return None
    texts = [_step_text(*pair, each) for pair, each in compared.items()]
    seeds = {
        len(samples[deeper].by_seed.keys() & samples[less].by_seed.keys())
        for deeper, less in compared
    }
    if max(seeds) > 1:
        same = str(max(seeds)) if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
        how = f"the best configuration of each, on the same {same} seeds"
    else:
        how = "the best trial of each, on the same rows; of single trainings, the best of many"
    return f"Did depth help the {metric_label(results.metric)}? {'; '.join(texts)} ({how})."


def _best_of_each(results: StudyResults) -> tuple[Mapping[Key, Sample], float]:
    """The best configuration of each depth, and what `compare_samples` needs."""
    best = best_of_each_depth(results)
    samples: dict[Key, Sample] = {
        depth: each.seed_group.sample if each.seed_group else results.sample(each.row)
        for depth, each in best.items()
    }
    if not best:
        return samples, 0.0
    first = next(iter(best.values()))
    if first.seed_group:
        return samples, seed_group_ratio(results, first.seed_group)
    return samples, results.test_to_train(first.row)


def _step_text(deeper: Key, less: Key, comparison: Comparison) -> str:
    """ "2 layers against 1: +0.0250, better"."""
    # The sentence is about A, the deeper one.
    verdict = comparison.verdict_where_less_is_better
    layers = count(int(deeper), "layer")
    interval = ""
    if comparison.low is not None and comparison.high is not None:
        interval = f", 95 % interval {signed(comparison.low)} to {signed(comparison.high)}"
    return f"{layers} against {less}: {signed(comparison.difference)}{interval}, {verdict}"
