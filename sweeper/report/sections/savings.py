"""What pruning and early stopping saved: the epochs trained, against those of full trials."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from sweeper.report.rendering.page import Block, Figure, Section, Table, Text
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.results.curves import FINISHED_STATES
from sweeper.results.formatting import count, duration, share
from sweeper.results.study_results import StudyResults
from sweeper.study import attributes
from sweeper.study.outputs.reading import STATES


@dataclass
class Epochs:
    """Of the trials in one state.

    Attributes:
      full: the epochs that they would have trained, had nothing ended them early.
      seconds: of the training alone.
    """

    state: str
    trials: int = 0
    trained: int = 0
    full: int = 0
    seconds: float = 0.0

    @property
    def saved(self) -> int:
        return self.full - self.trained


def savings_section(results: StudyResults) -> Section | None:
    """What was left out; None of a single run, and where every trial went to its end."""
    states = epochs_by_state(results)
    if results.study is None or not any(each.saved for each in states):
        return None
    total = Epochs("all")
    for each in states:
        total.trials += each.trials
        total.trained += each.trained
        total.full += each.full
        total.seconds += each.seconds
    per_epoch = total.seconds / total.trained if total.trained else 0.0
    text = (
        f"**{share(total.saved, total.full)} of the epochs were not trained**: {total.trained:,} "
        f"instead of {total.full:,}. At {per_epoch:.2f} s an epoch, the mean of this study, that "
        f"is {duration(per_epoch * total.saved)} of training."
    )
    pruned = next((each for each in states if each.state == "pruned"), None)
    blocks: list[Block] = [Text(text)]
    if pruned is not None:
        blocks.append(
            Text(
                f"What the {count(pruned.trials, 'pruned trial')} would have reached is unknown: "
                "the saving is certain, that it cost nothing is not.",
                "note",
            )
        )
    blocks.append(epochs_trained(states, total))
    title = "What pruning saved" if pruned is not None else "What early stopping saved"
    return Section("pruning", title, blocks)


def epochs_by_state(results: StudyResults) -> list[Epochs]:
    """Over the trials that ended as they should, in the order of `STATES`."""
    found: dict[str, Epochs] = {}
    splits = _splits(results)
    for row in results.of_states(*FINISHED_STATES, "pruned"):
        record = results.records.get(row.number)
        if record is None:
            continue
        of_state = found.setdefault(row.state, Epochs(row.state))
        trained = record.epochs or 0
        # An early stop by patience is pruned by no pruner, and saves all the same.
        full = record.config["train"]["epochs"] * splits
        of_state.trials += 1
        of_state.trained += trained
        of_state.full += max(full, trained)
        of_state.seconds += record.seconds.get("train", 0.0)
    return sorted(found.values(), key=lambda each: STATES.index(each.state))


def _splits(results: StudyResults) -> int:
    """How many a trial is trained on; one that was pruned has begun fewer of them."""
    protocol = results.study.user_attrs.get(attributes.PROTOCOL, {}) if results.study else {}
    begun = [len(record.repeats) for record in results.records.values()]
    return max(len(protocol.get("study.split_seeds", [])), *begun, 1)


def epochs_trained(states: list[Epochs], total: Epochs) -> Figure:
    """Bars of the epochs trained and left out, by state."""
    names = [f"{each.state} ({each.trials:,})" for each in states]
    trained = go.Bar(
        x=[each.trained for each in states],
        y=names,
        name="trained",
        orientation="h",
        marker={"color": series(0)},
        hovertemplate="%{y}: %{x:,} epochs trained<extra></extra>",
    )
    saved = go.Bar(
        x=[each.saved for each in states],
        y=names,
        name="not trained",
        orientation="h",
        marker={"color": colour("line")},
        hovertemplate="%{y}: %{x:,} epochs not trained<extra></extra>",
    )
    figure = plot(trained, saved, x="epochs", barmode="stack", legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", ticksuffix="  ", showgrid=False)
    rows = [
        [
            each.state,
            f"{each.trials:,}",
            f"{each.trained:,}",
            f"{each.full:,}",
            share(each.saved, each.full),
        ]
        for each in [*states, total]
    ]
    return Figure(
        "epochs_trained",
        "Epochs trained and not trained",
        "By how the trials ended, with their number in brackets.",
        figure,
        Table(
            ["trials that were", "number", "epochs trained", "in full", "saved"],
            rows,
            "Epochs by state",
            strong=frozenset({len(states)}),
        ),
        height=120 + 44 * len(states),
    )
