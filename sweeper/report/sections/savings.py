"""What pruning and early stopping saved: the epochs trained, against those of full trials."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from sweeper.report.rendering.page import Block, Column, Figure, Section, Table, Text
from sweeper.report.rendering.palette import colour, plot, series
from sweeper.results.curves import FINISHED_STATES
from sweeper.results.formatting import count, duration, share
from sweeper.results.study_results import StudyResults
from sweeper.study import attributes
from sweeper.study.outputs.trial_states import STATES


@dataclass
class Epochs:
    """The epochs of the trials in one state.

    Attributes:
      full: how many they would have trained if nothing had ended them early.
      seconds: the time of the training alone.
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
    """The epochs saved; None for a single run, and where every trial went to its end."""
    states = epochs_by_state(results)
    if results.study is None or not any(each.saved for each in states):
        return None
    total = Epochs(
        "all",
        sum(each.trials for each in states),
        sum(each.trained for each in states),
        sum(each.full for each in states),
        sum(each.seconds for each in states),
    )
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
                "it is certain that time was saved, but not that nothing was lost.",
                "note",
            )
        )
    blocks.append(epochs_trained(states, total))
    title = "What pruning saved" if pruned is not None else "What early stopping saved"
    return Section("pruning", title, blocks)


def epochs_by_state(results: StudyResults) -> list[Epochs]:
    """The epochs of the trials that ended as they should, in the order of `STATES`."""
    found: dict[str, Epochs] = {}
    splits = _splits(results)
    for row in results.of_states(*FINISHED_STATES, "pruned"):
        record = results.records.get(row.number)
        if record is None:
            continue
        of_state = found.setdefault(row.state, Epochs(row.state))
        trained = record.epochs or 0
        # A trial that patience stopped early was not pruned, and saves epochs all the same.
        full = record.config["train"]["epochs"] * splits
        of_state.trials += 1
        of_state.trained += trained
        of_state.full += max(full, trained)
        of_state.seconds += record.seconds.get("train", 0.0)
    return sorted(found.values(), key=lambda each: STATES.index(each.state))


def _splits(results: StudyResults) -> int:
    """How many splits a trial is trained on; a pruned trial has begun fewer of them."""
    protocol = results.study.user_attrs.get(attributes.PROTOCOL, {}) if results.study else {}
    begun = [len(record.repeats) for record in results.records.values()]
    return max(len(protocol.get("study.split_seeds", [])), *begun, 1)


def epochs_trained(states: list[Epochs], total: Epochs) -> Figure:
    """Bars of the epochs trained and left out, by state."""
    names = [f"{each.state} ({each.trials:,})" for each in states]
    parts = [
        ("trained", [each.trained for each in states], series(0)),
        ("not trained", [each.saved for each in states], colour("line")),
    ]
    bars = [
        go.Bar(
            x=epochs,
            y=names,
            name=name,
            orientation="h",
            marker={"color": bar_colour},
            hovertemplate=f"%{{y}}: %{{x:,}} epochs {name}<extra></extra>",
        )
        for name, epochs, bar_colour in parts
    ]
    figure = plot(*bars, x="epochs", barmode="stack", legend_traceorder="normal")
    figure.update_yaxes(autorange="reversed", ticksuffix="  ", showgrid=False)
    each = [*states, total]
    columns: list[Column] = [
        ("trials that were", [epochs.state for epochs in each]),
        ("number", [f"{epochs.trials:,}" for epochs in each]),
        ("epochs trained", [f"{epochs.trained:,}" for epochs in each]),
        ("in full", [f"{epochs.full:,}" for epochs in each]),
        ("saved", [share(epochs.saved, epochs.full) for epochs in each]),
    ]
    return Figure(
        "epochs_trained",
        "Epochs trained and not trained",
        "By how the trials ended, with their number in brackets.",
        figure,
        Table.of_columns(columns, "Epochs by state", frozenset({len(states)})),
        height=120 + 44 * len(states),
    )
