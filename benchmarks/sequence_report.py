"""What `benchmarks.sequence` comes to: its tables, ratios and limits, from the figures."""

from __future__ import annotations

from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.measure import Spread
from benchmarks.study_report import Limit, PartResult, ratio_text

Figures = dict[str, Any]

USER_ID, WIDE_USER_ID, REFERENCE = "user id", "user id, as wide as recency", "SASRec"
TARGET = 0.55
# Of the speed with a user id; of SASRec's seconds; of the peak; of the examples a second of
# every size, in those of the first.
MIN_SPEED, MIN_RATIO, MAX_GB, FLAT_WITHIN = 0.70, 3.0, 6.0, 0.15


def rates(repeats: list[Figures]) -> Spread:
    """Examples a second."""
    return Spread(tuple(each["examples"] / each["seconds"] for each in repeats))


def cpu_microseconds(repeats: list[Figures]) -> float:
    """Processor time of an example, of all threads; the median."""
    return median(1e6 * each["cpu_seconds"] / each["examples"] for each in repeats)


def speed_of(speed: dict[str, list[Figures]], side: str, other: str = USER_ID) -> float:
    """In terms of the other side's."""
    return rates(speed[side]).median / rates(speed[other]).median


def speed_table(speed: dict[str, list[Figures]]) -> Table:
    table = _table(
        "Training, by what the query tower reads: medians",
        ("reads", "examples/s", "of user id's", "CPU us\nan example", "first\nsteps s", "peak\nGB"),
    )
    for side, repeats in speed.items():
        table.add_row(
            side,
            rates(repeats).show(0),
            f"{speed_of(speed, side):.2f}",
            f"{cpu_microseconds(repeats):.1f}",
            f"{median(each['first_seconds'] for each in repeats):.1f}",
            f"{max(each['peak_gb'] for each in repeats):.2f}",
        )
    return table


def judge_speed(speed: dict[str, list[Figures]]) -> dict[str, PartResult]:
    """Of every encoder; a limit of `recency` alone."""
    results = {}
    for side in speed:
        share = speed_of(speed, side)
        text = f"{share:.2f} x"
        limits = [
            Limit(
                f"at least {MIN_SPEED:.2f} of the examples a second with a user id",
                f"{share:.2f}",
                share >= MIN_SPEED,
            )
        ]
        if side not in (USER_ID, WIDE_USER_ID):
            results[f"speed, {side}"] = PartResult(
                (f"{side} / {USER_ID}, examples a second", text),
                [],
                limits if side == "recency" else [],
            )
    if "recency" not in speed:
        return results
    wide = speed_of(speed, "recency", WIDE_USER_ID)
    results["speed, as wide"] = PartResult(
        (f"recency / {WIDE_USER_ID}, examples a second", f"{wide:.2f} x"), [], []
    )
    return results


def best(history: list[Figures]) -> float:
    return max(each["top_100"] for each in history)


def first_to(history: list[Figures], accuracy: float) -> Figures | None:
    """The first epoch that has at least this accuracy."""
    return next((each for each in history if each["top_100"] >= accuracy), None)


def times_as_fast(accuracy: dict[str, Figures], side: str, target: float) -> float | None:
    """SASRec's seconds to the target, in the side's own; None where one doesn't get there."""
    if REFERENCE not in accuracy:
        return None
    ours, theirs = (first_to(accuracy[name]["history"], target) for name in (side, REFERENCE))
    return theirs["seconds"] / ours["seconds"] if ours and theirs else None


def accuracy_table(accuracy: dict[str, Figures]) -> Table:
    """Without SASRec the columns of its best are left out."""
    targets = [TARGET]
    if REFERENCE in accuracy:
        targets.append(best(accuracy[REFERENCE]["history"]))
    names = ["", "epochs", "an epoch\ns", "best\ntop-100"]
    for target in targets:
        names += [f"to {target:.4g}\nepochs", "\ns", "\nCPU s", "\nratio"]
    table = _table("Seconds of training to an accuracy", tuple(names))
    for side, figures in accuracy.items():
        history = figures["history"]
        cells = [
            str(len(history)),
            f"{history[-1]['seconds'] / len(history):.2f}",
            f"{best(history):.4f}",
        ]
        for target in targets:
            there = first_to(history, target)
            ratio = times_as_fast(accuracy, side, target)
            cells += [
                f"{there['epoch']}" if there else "never",
                f"{there['seconds']:.1f}" if there else "",
                f"{there['cpu_seconds']:.1f}" if there else "",
                "" if ratio is None else f"{ratio:.1f} x",
            ]
        table.add_row(side, *cells)
    return table


def judge_accuracy(accuracy: dict[str, Figures]) -> dict[str, PartResult]:
    """Of every encoder, to SASRec's best; without SASRec, whether it gets to the target."""
    results = {}
    target = best(accuracy[REFERENCE]["history"]) if REFERENCE in accuracy else TARGET
    for side, figures in accuracy.items():
        if side == REFERENCE:
            continue
        found = best(figures["history"])
        limits = [Limit(f"top-100 of at least {TARGET}", f"{found:.4f}", found >= TARGET)]
        ratio = times_as_fast(accuracy, side, target)
        text = "-" if ratio is None else f"{ratio:.1f} x"
        if REFERENCE in accuracy:
            limits.append(
                Limit(
                    f"at least {MIN_RATIO:.0f} x as fast as SASRec to its best",
                    "never" if ratio is None else text,
                    ratio is not None and ratio >= MIN_RATIO,
                )
            )
        results[f"accuracy, {side}"] = PartResult(
            (f"SASRec (RecTools) / {side}, seconds to its best top-100", text), [], limits
        )
    return results


def scale_table(scale: dict[int, list[Figures]]) -> Table:
    table = _table(
        "Histories, by size: medians",
        ("interactions", "set up\ns", "examples/s", "CPU us\nan example", "peak\nGB"),
    )
    for size, repeats in scale.items():
        table.add_row(
            f"{size:,}",
            f"{median(each['set_up_seconds'] for each in repeats):.1f}",
            rates(repeats).show(0),
            f"{cpu_microseconds(repeats):.2f}",
            f"{max(each['peak_gb'] for each in repeats):.2f}",
        )
    return table


def judge_scale(scale: dict[int, list[Figures]]) -> dict[str, PartResult]:
    """Examples a second of each size in those of the smallest, and the largest peak."""
    sizes = sorted(scale)
    first, last = (rates(scale[size]).median for size in (sizes[0], sizes[-1]))
    lowest = min(rates(scale[size]).median for size in sizes) / first
    peak = max(each["peak_gb"] for repeats in scale.values() for each in repeats)
    return {
        "scale": PartResult(
            (
                f"examples a second of {sizes[-1]:,} rows / of {sizes[0]:,}",
                ratio_text(last, first),
            ),
            [],
            [
                Limit(
                    f"examples a second at most {FLAT_WITHIN:.0%} below those of {sizes[0]:,} rows",
                    f"{1 - lowest:.0%} below",
                    lowest >= 1 - FLAT_WITHIN,
                ),
                Limit(f"peak below {MAX_GB:.0f} GB", f"{peak:.2f} GB", peak < MAX_GB),
            ],
        )
    }


def _table(title: str, names: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, name in enumerate(names):
        table.add_column(name, justify="right" if index else "left")
    return table
