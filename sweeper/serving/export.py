"""Exports one trial: trains it again, and writes all that serving it takes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

import sweeper
from sweeper.config import to_dictionary
from sweeper.console import say
from sweeper.record import make_writable, write_whole
from sweeper.runtime import set_threads, start_tensorflow
from sweeper.serving.chosen import Chosen, choose
from sweeper.serving.manifest import Manifest, checksums, write_manifest
from sweeper.serving.model_card import CARD, model_card
from sweeper.serving.version_directory import write_version

if TYPE_CHECKING:
    from sweeper.serving.query_tower import QueryInputs
    from sweeper.serving.retrained import Retraining

EXPORTS = Path("outputs/exports")
_ROWS = {"train": "its training rows", "all": "all rows"}
_SAME = {
    "train": "the same as recorded, to the last bit",
    "all": "none of its own: no row is left to score; the card has the recorded trial's",
}


def export(
    directory: Path,
    console: Console,
    trial: int | None = None,
    seed: int | None = None,
    rows: str = "train",
    output: Path | None = None,
) -> Path:
    """Writes a new version of an export; returns its directory.

    Args:
      directory: of a study or a single run.
      trial, seed: as `choose` has them.
      rows: "train", as the trial had them, or "all".
      output: holds the versions; None: named as the study or run, in `EXPORTS`.

    Raises:
      ConfigError, DataError, OutputError: before anything is trained, as far as it can be known.
      TrialError: a loss or a score is not finite.
    """
    chosen = choose(directory, trial, seed)
    output = output or EXPORTS / chosen.name
    make_writable("output", output)
    say(console, "export", f"{chosen.words}, trained again on {_ROWS[rows]}")
    set_threads(chosen.record.machine.get("threads"))
    start_tensorflow()
    from sweeper.serving.query_tower import QueryInputs
    from sweeper.serving.retrained import differences, prepare, recorded_config, train_again
    from sweeper.serving.tables import check_names

    retraining = prepare(recorded_config(chosen.record), chosen.record, rows, console)
    # Only now is it known whether it can be exported; training may take long.
    check_names(retraining.interactions)
    encoded = retraining.training.encoded
    inputs = QueryInputs(retraining.config, retraining.interactions, encoded)
    retraining = train_again(retraining, chosen.record, console)
    difference = None if retraining.is_on_all_rows else differences(chosen.record, retraining)
    say(console, "metrics", difference or _SAME[rows])

    def write(place: Path) -> None:
        card = model_card(chosen, retraining, difference)
        write_whole(place / CARD, card.encode())
        manifest = _write_model(place, chosen, retraining, inputs, rows)
        write_manifest(place, manifest)

    version = write_version(output, write)
    names = sorted(each.name for each in version.iterdir())
    say(console, "output", f"{version} ({', '.join(names)})")
    return version


def _write_model(
    place: Path, chosen: Chosen, retraining: Retraining, inputs: QueryInputs, rows: str
) -> Manifest:
    """Writes the SavedModels and tables; returns the manifest of all that lies there."""
    import numpy as np
    import pyarrow.parquet as pq
    import tensorflow as tf

    from sweeper.serving import tables
    from sweeper.serving.query_tower import QueryTower
    from sweeper.serving.search import ExactSearch
    from sweeper.serving.served import ServedModel

    training, data = retraining.training, retraining.interactions
    candidates = training.model.embed_candidates(
        {name: tf.constant(value) for name, value in training.encoded.candidate.items()},
        training=False,
    ).numpy()
    tower = QueryTower(inputs, training.model, training.encoded)
    ServedModel(tower, ExactSearch(candidates), data, retraining.rows).save(place)
    pq.write_table(tables.candidate_table(data, candidates), place / tables.CANDIDATES)
    np.save(place / tables.EMBEDDINGS, candidates)
    pq.write_table(tables.user_table(data, retraining.rows, inputs.columns), place / tables.USERS)
    column = retraining.config.data.columns.timestamp
    newest = tables.newest(data, retraining.rows, column)
    return Manifest(
        sweeper_version=sweeper.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        made_of={
            "directory": str(chosen.subject.directory),
            "trial": chosen.trial,
            "split_seed": chosen.split_seed,
            "rows": rows,
            "config": to_dictionary(retraining.config),
        },
        data=chosen.record.data,
        user_column=data.user_column,
        item_column=data.item_column,
        inputs={name: tables.kind_of(column) for name, column in inputs.columns.items()},
        newest={} if newest is None or column not in inputs.columns else {str(column): newest},
        candidates=len(candidates),
        dimensions=int(candidates.shape[1]),
        files=checksums(place),
    )
