"""From the shell to the first training step, and the answers that train nothing.

  python -m benchmarks.startup

times, in a fresh process each, `import tensorflow` alone; a run of one epoch
(`python -m sweeper train.epochs=1 train.eval_every_epochs=1`); `--help`;
`--cfg job`; and an error in the configuration. The data come from the cache,
which a first run that isn't timed fills.

Until the first training step: when `trial.json` was written, less the seconds
that it holds for training, evaluation and scoring the test rows. The step itself
begins with tracing and compiling, which "first epoch" includes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rich.table import Table

from benchmarks.measure import (
    ROOT,
    BenchmarkError,
    Spread,
    child_environment,
    describe_machine,
    machine_line,
    positive,
)
from sweeper.common.console import make_console
from sweeper.two_tower.record import TRIAL

SWEEPER = ["-m", "sweeper"]
ONE_EPOCH = [*SWEEPER, "train.epochs=1", "train.eval_every_epochs=1"]
AFTER_FIRST_STEP = ("train", "evaluate", "score_test")
STAGES = {
    "load_data": "  load the data",
    "import_tensorflow": "  import and start TensorFlow",
    "set_up": "  split, encode, build the model",
    "baselines": "  score the baselines",
}
IMPORT, FIRST_STEP = "import tensorflow, nothing else", "until the first training step"
# What is timed besides a run: the arguments of Python and the exit code that is right.
ANSWERS = {
    IMPORT: (["-c", "import tensorflow"], 0),
    "--help": ([*SWEEPER, "--help"], 0),
    "--cfg job": ([*SWEEPER, "--cfg", "job"], 0),
    "an error in the configuration": ([*SWEEPER, "optimizer.learning_rate=-1"], 2),
}


def run(arguments: list[str], exit_code: int = 0) -> float:
    """Runs Python with these arguments; returns the seconds it took.

    Raises:
      BenchmarkError: it ended with another exit code.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=child_environment(),
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    if done.returncode != exit_code:
        raise BenchmarkError(
            f"python {' '.join(arguments)}: ended with exit code {done.returncode}, "
            f"must be {exit_code}\n{done.stderr[-2000:]}"
        )
    return seconds


def run_one_epoch(overrides: list[str]) -> tuple[dict[str, float], float]:
    """One run of one epoch.

    Returns:
      Seconds by what they were for, in order; and the peak memory in MB.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "trial"
        started = time.time()
        whole = run([*ONE_EPOCH, f"hydra.run.dir={directory}", *overrides])
        trial = directory / TRIAL
        record = json.loads(trial.read_text(encoding="utf-8"))
        until_record = trial.stat().st_mtime - started
    seconds = record["seconds"]
    after = sum(seconds.get(name, 0.0) for name in AFTER_FIRST_STEP)
    figures = {FIRST_STEP: until_record - after}
    figures |= {text: seconds[name] for name, text in STAGES.items()}
    # Python, Hydra, the rest of the imports; in the trial, what no stage counts.
    figures["  the rest"] = until_record - after - sum(seconds[name] for name in STAGES)
    figures["first epoch, with tracing and compiling"] = seconds["first_epoch"]
    figures["the whole run of one epoch"] = whole
    return figures, record["peak_memory_mb"]


def measure(repeats: int, overrides: list[str]) -> tuple[dict[str, Spread], Spread]:
    """All timings by name, and the peak memory of a run in MB."""
    run_one_epoch(overrides)
    values: dict[str, list[float]] = defaultdict(list)
    peaks = []
    for _ in range(repeats):
        for name, (arguments, exit_code) in ANSWERS.items():
            values[name].append(run(arguments, exit_code))
        figures, peak = run_one_epoch(overrides)
        for name, seconds in figures.items():
            values[name].append(seconds)
        peaks.append(peak)
    return {name: Spread(tuple(v)) for name, v in values.items()}, Spread(tuple(peaks))


def startup_table(timings: dict[str, Spread], repeats: int) -> Table:
    table = Table(
        title=f"Seconds from the shell, {repeats} repeats, each in a fresh process",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    for name in ("median", "smallest", "largest"):
        table.add_column(name, justify="right")
    for name, timing in timings.items():
        numbers = (timing.median, min(timing.values), max(timing.values))
        table.add_row(name, *(f"{number:.2f}" for number in numbers))
    return table


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Takes about 3 minutes on two cores. Without MovieLens: data=synthetic",
    )
    parser.add_argument("--repeats", type=positive, default=5, help="of each measurement (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    parser.add_argument(
        "overrides", nargs="*", help="of the run's configuration, as for `python -m sweeper`"
    )
    return parser.parse_args()


def main() -> None:
    arguments, console = parse_arguments(), make_console()
    timings, peak = measure(arguments.repeats, arguments.overrides)
    machine = describe_machine()
    console.print()
    console.print(startup_table(timings, arguments.repeats))
    console.print()
    console.print(f"peak memory of the run: {peak.show(0)} MB")
    console.print(machine_line(machine), soft_wrap=True)
    if arguments.json:
        first, alone = (timings[name].median for name in (FIRST_STEP, IMPORT))
        content = {
            "machine": machine,
            "ratios": [(f"{FIRST_STEP} / {IMPORT}", f"{first / alone:.2f} x")],
            "seconds": {name.strip(): timing.values for name, timing in timings.items()},
            "peak_memory_mb": peak.values,
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
