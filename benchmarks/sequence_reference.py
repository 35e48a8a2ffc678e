"""RecTools' side of `benchmarks.sequence`: its SASRec, trained and ranked on the same rows.

  python -m benchmarks.sequence_reference --rows rows.npz --epochs 16 --threads 2

It imports nothing of this project, since RecTools may need another NumPy, and so an
environment of its own. `rows.npz` has `users`, `items` and `times` of the training rows, in the
source's order, `own` and `histories` of the test rows (the latest items before each row, the most
recent one last, after -1 where there are fewer), and `num_items`. It prints one line of JSON:

  history   after each epoch: `epoch`, `seconds` and `cpu_seconds` of training so far, without
            preparing the data and without evaluations, and `top_100`, the hit rate among all
            candidates, nothing filtered
  versions  of its packages

A user's rows are cut into windows of `LENGTH` targets, so that every row but a user's first is
one. A candidate without a training row is unknown to it, and last; the rank is the number of
other candidates that score no less.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import LambdaCallback
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet

LENGTH, ROWS_A_BATCH = 50, 1_024
SETTINGS = {
    "n_factors": 64,
    "n_blocks": 2,
    "n_heads": 2,
    "session_max_len": LENGTH,
    "lr": 0.002,
    # With RecTools' own 128 it is at 0.527 after 16 epochs, with 32 at 0.563, with 16 at 0.570 two
    # epochs earlier, in less time.
    "batch_size": 16,
    "dropout_rate": 0.5,
    "loss": "softmax",
    "item_net_block_types": (IdEmbeddingsItemNet,),
}
PACKAGES = ("rectools", "torch")


def windows(users: np.ndarray, items: np.ndarray, times: np.ndarray) -> pd.DataFrame:
    """The rows of every user, cut into pieces that RecTools takes for users of their own.

    Two pieces that follow each other share one row: the last target of the one is what the other
    begins with.
    """
    order = np.lexsort((times, users))
    users, items = users[order], items[order]
    first = np.flatnonzero(np.diff(users, prepend=-1))
    position = np.arange(len(users)) - np.repeat(first, np.diff(np.append(first, len(users))))
    piece = np.cumsum(position % LENGTH == 0)
    again = np.flatnonzero((position % LENGTH == 0) & (position > 0))
    rows = np.concatenate([np.arange(len(users)), again])
    pieces = np.concatenate([piece, piece[again] - 1])
    return pd.DataFrame(
        {
            Columns.User: pieces,
            Columns.Item: items[rows],
            Columns.Weight: 1.0,
            # The order of the rows, which has no ties.
            Columns.Datetime: pd.Timestamp(0) + pd.to_timedelta(rows, unit="s"),
        }
    )


def known_histories(histories: np.ndarray, internal: np.ndarray) -> np.ndarray:
    """The last `LENGTH` known items of each history, as the model numbers them, after zeros."""
    found = np.where(histories >= 0, internal[histories], 0)
    order = np.argsort(found != 0, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)[:, -LENGTH:]


def hit_rate(network: torch.nn.Module, sessions: np.ndarray, own: np.ndarray) -> float:
    """The share of rows whose own candidate, if it is known, has a rank below 100."""
    hits = 0
    network.eval()
    with torch.no_grad():
        items = network.item_model.get_all_embeddings()
        candidates = network.similarity_module.item_tower_forward(items)[1:]
        for start in range(0, len(own), ROWS_A_BATCH):
            batch = {"x": torch.from_numpy(sessions[start : start + ROWS_A_BATCH])}
            queries = network.encode_sessions(batch, items)[:, -1, :]
            queries = network.similarity_module.session_tower_forward(queries)
            scores = (queries @ candidates.T).numpy()
            right = own[start : start + ROWS_A_BATCH]
            target = scores[np.arange(len(right)), right - 1][:, None]
            hits += ((right > 0) & ((scores >= target).sum(axis=1) - 1 < 100)).sum()
    network.train()
    return hits / len(own)


def measure(rows: dict[str, np.ndarray], epochs: int) -> list[dict[str, float]]:
    """Trains, and stops the clock for an evaluation after each epoch."""
    history: list[dict[str, float]] = []
    started = np.zeros(2)

    def now() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def begin(trainer: Trainer, module: torch.nn.Module) -> None:
        started[:] = now()

    def evaluate(trainer: Trainer, module: torch.nn.Module) -> None:
        stopped = now()
        seconds, cpu_seconds = stopped - started
        known = model.data_preparator.item_id_map.external_ids
        internal = np.zeros(int(rows["num_items"]), np.int64)
        internal[known[1:].astype(np.int64)] = np.arange(1, len(known))
        sessions = known_histories(rows["histories"], internal)
        top_100 = hit_rate(module.torch_model, sessions, internal[rows["own"]])
        history.append(
            {
                "epoch": len(history) + 1,
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "top_100": top_100,
            }
        )
        started[:] += now() - stopped

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=epochs,
            min_epochs=epochs,
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            callbacks=[LambdaCallback(on_train_start=begin, on_train_epoch_end=evaluate)],
        )

    model = SASRecModel(**SETTINGS, epochs=epochs, get_trainer_func=trainer)
    table = windows(rows["users"], rows["items"], rows["times"])
    model.fit(Dataset.construct(table))
    return history


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sequence_reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    seed_everything(0)
    with np.load(arguments.rows) as rows:
        history = measure(dict(rows), arguments.epochs)
    versions = {package: metadata.version(package) for package in PACKAGES}
    print(json.dumps({"history": history, "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
