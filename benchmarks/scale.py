"""From a table of interactions to a trained and ranked model, against its size.

  python -m benchmarks.scale --sizes 1000000 5000000 25000000

The interactions are `data=synthetic`'s, drawn once (25 M of 160,000 users and 62,000 items
take some minutes) and kept in the cache; each size is that many of them, the first by time,
written as Parquet and read back through `data=table`. Both sides have the tutorial's
features, one layer of 32, the in-batch softmax and Adagrad in batches of 2,048.

Each size is a process of its own (`benchmarks.scale_ours`), and plain TFRS is another
(`benchmarks.scale_reference`), in turn, `--repeats` times; the table has the medians:

  encode     rows a second, from Parquet to the encoded cache
  train      examples a second over one whole epoch, its shuffle included; no evaluation
  plain      the same of plain TFRS, over `--steps` steps
  evaluate   seconds to rank 100,000 test rows among all items
  peak       GB of resident memory
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from rich.console import Console
from rich.table import Table

from benchmarks.measure import describe_machine, machine_line, positive, run_together
from sweeper.common.console import make_console
from sweeper.two_tower.config import DataConfig, SyntheticConfig
from sweeper.two_tower.data.columns import to_arrow
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.loading import load_interactions

SIZES = [1_000_000, 5_000_000, 25_000_000]
USERS, ITEMS = 160_000, 62_000


def draw_tables(sizes: list[int], folder: Path, console: Console) -> dict[int, Path]:
    """As `write_tables`, of the interactions that the module's text tells of."""
    synthetic = SyntheticConfig(num_users=USERS, num_items=ITEMS, num_interactions=max(sizes))
    config = DataConfig(name="synthetic", synthetic=synthetic)
    return write_tables(load_interactions(config, console.print), sizes, folder)


def write_tables(interactions: Interactions, sizes: list[int], folder: Path) -> dict[int, Path]:
    """The catalogue, and for each size a table of so many rows, as Parquet."""
    titles = to_arrow(interactions.candidate_columns["movie_title"])
    catalogue = pyarrow.table({"movie_title": titles.cast(pyarrow.string())})
    pyarrow.parquet.write_table(catalogue, folder / "items.parquet")
    users = to_arrow(interactions.query_columns["user_id"])
    tables = {}
    for size in sizes:
        items = pyarrow.DictionaryArray.from_arrays(
            pyarrow.array(interactions.items[:size]), titles.dictionary
        )
        columns = {
            "user_id": users[:size].cast(pyarrow.string()),
            "movie_title": items.cast(pyarrow.string()),
            "timestamp": pyarrow.array(interactions.timestamps[:size]),
        }
        tables[size] = folder / f"rows_{size}.parquet"
        pyarrow.parquet.write_table(pyarrow.table(columns), tables[size])
    return tables


def measure(
    sizes: list[int], steps: int, repeats: int, folder: Path, console: Console
) -> list[dict[str, Any]]:
    """For each size the medians of both sides, which take turns, and every figure of them."""
    figures = []
    for size, table in draw_tables(sizes, folder, console).items():
        common = ["--table", str(table), "--items", str(folder / "items.parquet")]
        ours, plain = [], []
        for _ in range(repeats):
            ours += run_together([["benchmarks.scale_ours", *common]])
            console.print(f"{size:,} rows: {ours[-1]['epoch_seconds']:.1f} s an epoch")
            plain += run_together([["benchmarks.scale_reference", *common, "--steps", str(steps)]])
        each = {"ours": ours, "plain": plain}
        figures.append({**medians(ours), "plain": medians(plain), "repeats": each})
        table.unlink()
    return figures


def medians(repeats: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each figure."""
    return {name: statistics.median(each[name] for each in repeats) for name in repeats[0]}


def rate(figures: dict[str, Any]) -> float:
    """Examples a second of an epoch."""
    return figures["examples"] / figures["epoch_seconds"]


def ratio(figures: dict[str, Any]) -> float:
    """Of both sides' examples a second."""
    return rate(figures) * figures["plain"]["seconds"] / figures["plain"]["examples"]


def scale_table(figures: list[dict[str, Any]]) -> Table:
    """One row for each size."""
    table = Table(title="From table to ranks, by size: medians", title_justify="left", box=None,
                  pad_edge=False)  # fmt: skip
    for name in (
        "interactions", "encode\nrows/s", "again\ns", "set up\ns", "train\nexamples/s",
        "us an\nexample", "plain\nTFRS", "\nratio", "evaluate\ns", "\ntop-100", "peak\nGB",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for each in figures:
        plain = each["plain"]["examples"] / each["plain"]["seconds"]
        table.add_row(
            f"{each['rows']:,}",
            f"{each['rows'] / each['encode_seconds']:,.0f}",
            f"{each['load_seconds']:.2f}",
            f"{each['set_up_seconds']:.1f}",
            f"{rate(each):,.0f}",
            f"{1e6 / rate(each):.2f}",
            f"{plain:,.0f}",
            f"{ratio(each):.1f} x",
            f"{each['evaluate_seconds']:.1f}",
            f"{each['top_100']:.4f}",
            f"{each['peak_gb']:.2f}",
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--sizes", nargs="+", type=positive, default=SIZES, help="interactions (1, 5 and 25 M)"
    )
    parser.add_argument("--steps", type=positive, default=200, help="of plain TFRS (200)")
    parser.add_argument("--repeats", type=positive, default=3, help="of each size (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="writes every figure to FILE")
    arguments, console = parser.parse_args(), make_console()
    with tempfile.TemporaryDirectory(prefix="scale_") as folder:
        figures = measure(
            arguments.sizes, arguments.steps, arguments.repeats, Path(folder), console
        )
    console.print()
    console.print(scale_table(figures), soft_wrap=True)
    machine = describe_machine()
    console.print(machine_line(machine))
    if arguments.json:
        ratios = [
            (
                f"sweeper / plain TFRS, examples a second, {each['rows']:,} rows",
                f"{ratio(each):.1f} x",
            )
            for each in figures
        ]
        content = {"machine": machine, "ratios": ratios, "sizes": figures}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        console.print(f"output   {arguments.json}")


if __name__ == "__main__":
    main()
