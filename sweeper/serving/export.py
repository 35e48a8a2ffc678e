"""Exports one trial: trains it again, and writes all that serving it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

import sweeper
from sweeper.common.console import print_status
from sweeper.common.errors import ConfigError
from sweeper.common.output_files import atomic_write
from sweeper.common.runtime import set_threads, start_tensorflow
from sweeper.serving import approximate_index, tables
from sweeper.serving.input_names import free_name
from sweeper.serving.manifest import Manifest, checksums, manifest_of, versions, write_manifest
from sweeper.serving.model_card import CARD, model_card
from sweeper.serving.source_trial import SourceTrial, choose
from sweeper.serving.version_directory import check_output, write_version
from sweeper.two_tower.config import to_dictionary

if TYPE_CHECKING:
    from sweeper.serving.candidate_tower import CandidateTower
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
    recall: float | None = None,
) -> Path:
    """Writes a new version of an export; returns its directory.

    Args:
      directory: of a study or a single run.
      trial, seed: as `choose` has them.
      rows: "train", as the trial had them, or "all".
      output: holds the versions; None: named as the study or run, in `EXPORTS`.
      recall: of the approximate index that is to be written beside the model, at the least;
        None: there is to be none.

    Raises:
      ConfigError, DataError, OutputError: before anything is trained, as far as it can be known.
      TrialError: a loss or a score is not finite.
    """
    if recall is not None:
        approximate_index.faiss()
    chosen = choose(directory, trial, seed)
    output = output or _own_output(chosen)
    check_output(output)
    for problem in chosen.results.problems:
        print_status(console, "problem", problem)
    print_status(console, "export", f"{chosen.words}, trained again on {_ROWS[rows]}")
    set_threads(chosen.record.machine.get("threads"))
    start_tensorflow()
    from sweeper.serving.retrained import differences, train_again

    retraining, inputs, left_out = _prepare(chosen, rows, recall, console)
    retraining = train_again(retraining, chosen.record, console)
    difference = None if retraining.is_on_all_rows else differences(chosen.record, retraining)
    print_status(console, "metrics", difference or _SAME[rows])

    def write(place: Path) -> None:
        candidates = _write_model(place, retraining, inputs)
        items = None if left_out else _write_candidate_tower(place, retraining)
        index = (
            None if recall is None else _write_index(place, retraining, candidates, recall, console)
        )
        card = model_card(chosen, retraining, inputs, difference, index, left_out)
        atomic_write(place / CARD, card.encode())
        manifest = _manifest(place, chosen, retraining, inputs, rows, index, candidates.shape)
        write_manifest(place, _with_candidate_tower(manifest, items, left_out))

    version = write_version(output, write)
    names = sorted(each.name for each in version.iterdir())
    print_status(console, "output", f"{version} ({', '.join(names)})")
    return version


def _prepare(
    chosen: SourceTrial, rows: str, recall: float | None, console: Console
) -> tuple[Retraining, QueryInputs, str | None]:
    """Everything that can fail before the training, which may take long, as `export` has it.

    Returns also why the candidate tower is left out, if it is.
    """
    from sweeper.serving.own_parts import check_own_parts, why_no_candidate_tower
    from sweeper.serving.query_tower import QueryInputs
    from sweeper.serving.retrained import prepare, recorded_config

    retraining = prepare(recorded_config(chosen.record), chosen.record, rows, console)
    data = retraining.interactions
    if recall is not None and data.num_items < approximate_index.LARGE:
        print_status(console, "index", approximate_index.small_words(data.num_items))
    inputs = QueryInputs(retraining.config, data, retraining.training.encoded)
    check_own_parts(retraining, inputs)
    left_out = why_no_candidate_tower(retraining)
    if left_out:
        print_status(console, "items", f"the candidate tower is left out: {left_out}")
    return retraining, inputs, left_out


def _own_output(chosen: SourceTrial) -> Path:
    """The directory in `EXPORTS` that is named as the study or run.

    Raises:
      ConfigError: what lies there is of another one of that name.
      OutputError: its newest version's manifest can't be read.
    """
    output = EXPORTS / chosen.name
    for version in versions(output)[-1:]:
        of = manifest_of(output / str(version)).made_of["directory"]
        if Path(of).resolve() != chosen.results.directory.resolve():
            raise ConfigError(
                f"output: is not given, and {output} holds exports of {of}; must be given, as "
                "output=DIRECTORY"
            )
    return output


def _write_model(place: Path, retraining: Retraining, inputs: QueryInputs) -> np.ndarray:
    """Writes the SavedModels and tables; returns the candidates' embeddings."""
    import pyarrow.parquet as pq
    import tensorflow as tf

    from sweeper.serving.query_tower import QueryTower
    from sweeper.serving.saved_model import ServedModel
    from sweeper.serving.search import ExactSearch

    training, data = retraining.training, retraining.interactions
    candidates: np.ndarray = training.model.embed_candidates(
        {name: tf.constant(value) for name, value in training.encoded.candidate.items()},
        training=False,
    ).numpy()
    tower = QueryTower(inputs, training.model, training.encoded)
    ServedModel.of_rows(tower, ExactSearch(candidates), data, retraining.rows).save(place)
    table = tables.candidate_table(data.candidate_columns, candidates)
    pq.write_table(table, place / tables.CANDIDATES)
    np.save(place / tables.EMBEDDINGS, candidates)
    if inputs.reads:
        users = tables.history_table(data, retraining.rows, inputs.names, inputs.reads)
    else:
        users = tables.user_table(data, retraining.rows, inputs.names)
    pq.write_table(users, place / tables.USERS)
    return candidates


def _write_candidate_tower(place: Path, retraining: Retraining) -> CandidateTower:
    from sweeper.serving.candidate_tower import CandidateTower

    training, data = retraining.training, retraining.interactions
    tower = CandidateTower(retraining.config, data, training.model, training.encoded)
    tower.save(place / tables.CANDIDATE_TOWER)
    return tower


def _write_index(
    place: Path, retraining: Retraining, candidates: np.ndarray, recall: float, console: Console
) -> dict[str, Any] | None:
    """Writes the approximate index; returns it as `Manifest.index` has it.

    None: it would save nothing. The exact search has any recall, so that the model, which may have
    taken long to train, is exported all the same.
    """
    queries, path = _queries(retraining), place / tables.INDEX
    try:
        index = approximate_index.write(path, candidates, queries, approximate_index.K, recall)
    except approximate_index.SavesNothing as reason:
        print_status(console, "index", f"none is written: {reason}; the export searches exactly")
        return None
    print_status(console, "index", approximate_index.index_words(index))
    return index


def _queries(retraining: Retraining) -> np.ndarray:
    """Of some rows, always the same ones, the query tower's embeddings."""
    from sweeper.two_tower.evaluation.scoring import ModelScorer

    rows = np.random.default_rng(0).permutation(len(retraining.interactions))
    rows = rows[: approximate_index.QUERIES]
    training = retraining.training
    return ModelScorer(training.model, training.encoded, rows).embed_queries().numpy()


def _manifest(
    place: Path,
    chosen: SourceTrial,
    retraining: Retraining,
    inputs: QueryInputs,
    rows: str,
    index: dict[str, Any] | None,
    shape: tuple[int, ...],
) -> Manifest:
    """Of all that lies in `place`.

    Args:
      shape: of the candidates' embeddings.
    """
    from sweeper.serving.query_tower import known_words
    from sweeper.serving.signatures import signatures

    data, encoded = retraining.interactions, retraining.training.encoded
    candidates, dimensions = shape
    column = retraining.config.data.columns.timestamp
    bias = retraining.training.model.seen_bias
    known_rows = np.arange(len(data)) if inputs.reads else retraining.rows
    newest = tables.newest(data, known_rows, column)
    return Manifest(
        sweeper_version=sweeper.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        made_of={
            "directory": str(chosen.results.directory),
            "trial": chosen.trial,
            "split_seed": chosen.split_seed,
            "rows": rows,
            "config": to_dictionary(retraining.config),
        },
        data=chosen.record.data,
        user_column=data.user_column,
        item_column=data.item_column,
        inputs={name: tables.kind_of(column) for name, column in inputs.columns.items()},
        input_names=inputs.names,
        known_words={
            column: words
            for column, words in known_words(retraining.config, encoded).items()
            if column != data.user_column
        },
        embedding_column=free_name(tables.EMBEDDING, data.candidate_columns),
        newest={} if newest is None or column not in inputs.columns else {str(column): newest},
        candidates=candidates,
        dimensions=dimensions,
        reads=list(inputs.reads),
        signatures=signatures(inputs, data.item_column, bias is not None),
        seen_bias=None if bias is None else float(bias.numpy()),
        index=index,
        files=checksums(place),
    )


def _with_candidate_tower(
    manifest: Manifest, tower: CandidateTower | None, left_out: str | None
) -> Manifest:
    """The manifest with the inputs of the candidate tower, or why there is none."""
    from sweeper.serving.signatures import candidate_signature

    if tower is None:
        return replace(manifest, no_candidate_tower=left_out)
    return replace(
        manifest,
        candidate_inputs={name: tables.kind_of(column) for name, column in tower.columns.items()},
        candidate_input_names=tower.names,
        signatures=manifest.signatures | candidate_signature(tower),
    )
