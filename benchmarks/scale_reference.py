"""Plain TFRS at scale: `benchmarks.reference`'s model on the table of `benchmarks.scale`.

  python -m benchmarks.scale_reference --table rows.parquet --items items.parquet

prints one line of JSON: `examples` that it trained on in `seconds`, after as many to warm up,
and `peak_gb` of resident memory. Its vocabularies are those of the whole table; it trains on
some of the rows alone, since each costs it the same, and all of them, as strings in a
`tf.data` pipeline, would not fit this machine's memory beside it.
"""

from __future__ import annotations

import json
import tempfile
import time

import numpy as np

from benchmarks.measure import peak_gigabytes
from benchmarks.reference import BATCH_SIZE, build_model, make_datasets
from benchmarks.scale_ours import configure, table_parser
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import Split, permutation

LAYERS = [32]


def main() -> None:
    parser = table_parser("benchmarks.scale_reference", __doc__)
    parser.add_argument("--steps", type=int, default=200, help="of 2,048 rows, to time (200)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.table.parent) as cache:
        config = configure(str(arguments.table), str(arguments.items), cache, test_rows=BATCH_SIZE)
        interactions = load_interactions(config.data, lambda text: None)
    rows = permutation(len(interactions), config.data.split_seed)
    rows = rows[: arguments.steps * BATCH_SIZE]
    nothing = np.zeros(0, np.int64)
    train, _ = make_datasets(interactions, Split(rows, nothing, rows[:1], 0))
    model = build_model(LAYERS, interactions)
    model.fit(train, epochs=1, verbose=0)
    started = time.perf_counter()
    model.fit(train, epochs=1, verbose=0)
    seconds = time.perf_counter() - started
    figures = {"examples": len(rows), "seconds": seconds, "peak_gb": peak_gigabytes()}
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
