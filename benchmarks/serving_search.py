"""Asks one index for the best titles of one query after the other, in a process of its own.

  python -m benchmarks.serving_search --side ours --candidates 1664

The candidates are made up as learnt ones are: around 200 centres, of different lengths.
Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import peak_gigabytes, positive

DIMENSIONS, K, WARM_UP = 32, 100, 50

# From one query, [1, dimensions], to the scores and titles of the best.
Ask = Callable[[np.ndarray], tuple[np.ndarray, Sequence[Any]]]


def made_up(candidates: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of candidates and of queries, the same ones each time."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, DIMENSIONS), np.float32)

    def around(number: int) -> np.ndarray:
        noise = rng.standard_normal((number, DIMENSIONS), np.float32)
        return 0.7 * centres[rng.integers(0, 200, number)] + 0.6 * noise

    lengths = np.exp(rng.normal(0, 0.3, (candidates, 1)))
    return (around(candidates) * lengths).astype(np.float32), around(queries)


def brute_force(candidates: np.ndarray, titles: list[str]) -> Ask:
    """TensorFlow Recommenders' exact index."""
    from sweeper.common.runtime import start_tensorflow

    start_tensorflow()
    import tensorflow as tf
    import tensorflow_recommenders as tfrs

    layer = tfrs.layers.factorized_top_k.BruteForce(k=K)
    layer.index(tf.constant(candidates), tf.constant(titles))

    def ask(query: np.ndarray) -> tuple[np.ndarray, Sequence[Any]]:
        scores, found = layer(query)
        return scores.numpy()[0], found.numpy()[0]

    return ask


def ours(candidates: np.ndarray, titles: list[str]) -> Ask:
    """The exact index of an export."""
    from sweeper.serving.index import ExactIndex

    return _asking(ExactIndex(candidates), titles)


def approximate(candidates: np.ndarray, titles: list[str]) -> Ask:
    """That of an export with `index=approximate`, tuned to 0.95 of other queries' top 100."""
    from sweeper.serving.index import ApproximateIndex, ExactIndex, build, tune

    index, exact = build(candidates), ExactIndex(candidates)
    _, queries = made_up(len(candidates), 2_000)
    tune(index, exact, queries[-1_000:], K, 0.95)
    return _asking(ApproximateIndex(index, exact), titles)


def _asking(index: Any, titles: list[str]) -> Ask:
    left_out = [np.empty(0, int)]

    def ask(query: np.ndarray) -> tuple[np.ndarray, Sequence[Any]]:
        (scores,), (found,) = index.search(query, K, left_out)
        return scores, [titles[candidate] for candidate in found]

    return ask


SIDES = {"brute_force": brute_force, "ours": ours, "approximate": approximate}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_search")
    parser.add_argument("--side", choices=SIDES, required=True)
    parser.add_argument("--candidates", type=positive, required=True)
    parser.add_argument("--queries", type=positive, default=500)
    parser.add_argument("--found", type=Path, help="writes the scores that were found here")
    parsed = parser.parse_args()
    candidates, queries = made_up(parsed.candidates, parsed.queries)
    titles = [f"title {number}" for number in range(parsed.candidates)]
    start = time.perf_counter()
    ask = SIDES[parsed.side](candidates, titles)
    build_seconds = time.perf_counter() - start
    for row in range(WARM_UP):
        ask(queries[row % len(queries)][None])
    seconds, scores = [], []
    for query in queries:
        start = time.perf_counter()
        found, _ = ask(query[None])
        seconds.append(time.perf_counter() - start)
        scores.append(found)
    if parsed.found:
        np.save(parsed.found, np.stack(scores))
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99])
    figures = {"p50_ms": p50, "p99_ms": p99, "build_seconds": build_seconds}
    print(json.dumps({**figures, "peak_gb": peak_gigabytes()}))


if __name__ == "__main__":
    main()
