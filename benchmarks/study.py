"""What a study costs and what it finds, each beside a reference, on one machine.

  headline  `study=architecture`, as shipped, against the reference script
            (benchmarks/reference.py, plain TensorFlow Recommenders) for ONE model's 300
            epochs with an evaluation every five; the reference's are extrapolated from
            ten epochs measured in the same run. Then the study's winner, trained again,
            against the best of the published models.
  pruning   the same study with its pruner and without: epochs trained in all, and until
            the first complete trial within 0.003 of the better best.
  overhead  twelve trials that sleep 5 s, two workers: what of the workers' time is spent
            outside them, and when a worker has nothing to do. Then twelve real trials,
            by stage.
  thousand  1,000 trials of no work, two workers, one SQLite file, against Optuna alone
            in two processes: trials a second, and whether all are there once.
  memory    100 trials of one epoch: the peak of trials 11 to 20 against 91 to 100.

Ends with exit code 1 if a limit is not met, after a line for each. Let nothing else
run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import BenchmarkError, describe_machine, machine_line, positive
from benchmarks.plain_optuna import SAMPLERS
from benchmarks.study_costs import overhead_part, thousand
from benchmarks.study_memory import memory
from benchmarks.study_report import Limit, PartResult, results_table, show_limits
from benchmarks.study_runs import Settings
from benchmarks.study_search import headline, pruning
from sweeper.common.console import make_console

PARTS: dict[str, Callable[[Settings], PartResult]] = {
    "headline": headline,
    "pruning": pruning,
    "overhead": overhead_part,
    "thousand": thousand,
    "memory": memory,
}


def part(text: str) -> str:
    """The name of a part, from the command line."""
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"got {text}; must be of {', '.join(PARTS)}")
    return text


def run_part(name: str, settings: Settings) -> PartResult:
    """Runs a part; a study that fails costs only the part that it belongs to."""
    try:
        return PARTS[name](settings)
    except BenchmarkError as error:
        settings.console.print(str(error), markup=False, soft_wrap=True)
        first_line = str(error).splitlines()[0]
        failure = Limit("runs to its end", first_line, met=False, is_a_count=True)
        return PartResult(("-", "-"), [], [failure])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", type=part, metavar="part", help="which (all)")
    parser.add_argument(
        "--trials", type=positive, help="of the studies in headline and pruning (as shipped)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="an override of all studies with real trials; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--samplers", nargs="+", choices=SAMPLERS, default=["random"],
        help="of thousand, one after the other (random)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help="a few trials on made-up data, to see that it works; only counts are judged. The "
        "reference in headline takes MovieLens even so",
    )  # fmt: skip
    parser.add_argument(
        "--keep", type=Path, metavar="DIRECTORY", help="a new one, where the studies stay"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    return parser.parse_args()


def main() -> None:
    arguments, console = parse_arguments(), make_console()
    machine = describe_machine()
    names = list(dict.fromkeys(arguments.parts)) or list(PARTS)
    with ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings(
            folder=folder.absolute(),
            console=console,
            quick=arguments.quick,
            trials=arguments.trials,
            overrides=arguments.overrides,
            samplers=arguments.samplers,
        )
        results = {}
        for number, name in enumerate(names, start=1):
            console.print(f"part {number} of {len(names)}: {name}")
            results[name] = run_part(name, settings)
    console.print()
    console.print(results_table(results))
    console.print()
    console.print(machine_line(machine), soft_wrap=True)
    console.print()
    all_met = show_limits(results, arguments.quick, console)
    if arguments.json:
        figures = {name: result.figures for name, result in results.items()}
        ratios = [result.ratio for result in results.values()]
        content = {"machine": machine, "ratios": ratios, "results": figures}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all_met else 1)


if __name__ == "__main__":
    main()
