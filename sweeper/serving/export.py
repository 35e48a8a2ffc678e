"""Exports a trial: trains it again, and writes everything that is needed to serve it."""

from __future__ import annotations

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
from sweeper.serving import tables
from sweeper.serving.index import MIN_CANDIDATES, QUERIES, import_faiss, write_index
from sweeper.serving.input_names import free_name
from sweeper.serving.manifest import Manifest, checksums, read_manifest_unverified, write_manifest
from sweeper.serving.model_card import CARD, model_card
from sweeper.serving.source_trial import SourceTrial, find_source_trial
from sweeper.serving.versions import check_output_directory, list_versions, write_version
from sweeper.two_tower.config import to_dictionary

if TYPE_CHECKING:
    from sweeper.serving.candidate_tower import CandidateTower
    from sweeper.serving.query_tower import QueryInputs
    from sweeper.serving.retrained_model import RetrainedModel

EXPORTS = Path("outputs/exports")
_ROWS = {"train": "its training rows", "all": "all rows"}
_UNCHANGED = {
    "train": "the same as recorded, to the last bit",
    "all": "none, since no row is left to score; the model card has those of the recorded trial",
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
      trial, seed: as in `find_source_trial`.
      rows: "train", like the trial, or "all".
      output: the directory of the versions; None: `EXPORTS`/NAME, named as the study or run.
      recall: the minimum recall of an approximate index beside the model; None: no such index.

    Raises:
      ConfigError, DataError, OutputError: before anything is trained, as far as it can be known.
      TrialError: a loss or a score is not finite.
    """
    if recall is not None:
        import_faiss()
    source = find_source_trial(directory, trial, seed)
    output = output or _default_output(source)
    check_output_directory(output)
    for problem in source.results.problems:
        print_status(console, "problem", problem)
    print_status(console, "export", f"{source.description}, trained again on {_ROWS[rows]}")
    set_threads(source.record.machine.get("threads"))
    start_tensorflow()
    from sweeper.serving.candidate_tower import CandidateTower
    from sweeper.serving.retrained_model import metric_differences, retrain

    retrained, inputs, no_tower_reason = _prepare(source, rows, recall, console)
    retrained = retrain(retrained, source.record, console)
    difference = None if retrained.is_on_all_rows else metric_differences(source.record, retrained)
    print_status(console, "metrics", difference or _UNCHANGED[rows])

    def write(place: Path) -> None:
        candidates = _write_model(place, retrained, inputs)
        tower = None
        if no_tower_reason is None:
            training, data = retrained.training, retrained.interactions
            tower = CandidateTower(retrained.config, data, training.model, training.encoded)
            tower.save(place / tables.CANDIDATE_TOWER)
        index = None
        if recall is not None:
            queries = _sample_queries(retrained)
            index = write_index(place / tables.INDEX, candidates, queries, recall, console)
        card = model_card(source, retrained, inputs, difference, index, no_tower_reason)
        atomic_write(place / CARD, card.encode())
        manifest = _manifest(
            place, source, retrained, inputs, rows, index, candidates.shape, tower, no_tower_reason
        )
        write_manifest(place, manifest)

    version = write_version(output, write)
    names = sorted(each.name for each in version.iterdir())
    print_status(console, "output", f"{version} ({', '.join(names)})")
    return version


def _prepare(
    source: SourceTrial, rows: str, recall: float | None, console: Console
) -> tuple[RetrainedModel, QueryInputs, str | None]:
    """Does everything that can fail before the training, which may take long.

    Args:
      rows, recall: as in `export`.

    Returns:
      The model to train, its inputs, and the reason for leaving out the candidate tower, if any.
    """
    from sweeper.serving.custom_parts import check_custom_parts, why_no_candidate_tower
    from sweeper.serving.query_tower import QueryInputs
    from sweeper.serving.retrained_model import prepare_retraining, recorded_config

    retrained = prepare_retraining(recorded_config(source.record), source.record, rows, console)
    data = retrained.interactions
    if recall is not None and data.num_items < MIN_CANDIDATES:
        print_status(
            console,
            "index",
            f"the exact search of {data.num_items:,} titles is as fast: an approximate index pays "
            f"from some {MIN_CANDIDATES:,} on",
        )
    inputs = QueryInputs(retrained.config, data, retrained.training.encoded)
    check_custom_parts(retrained, inputs)
    no_tower_reason = why_no_candidate_tower(retrained)
    if no_tower_reason:
        print_status(console, "items", f"the candidate tower is left out: {no_tower_reason}")
    return retrained, inputs, no_tower_reason


def _default_output(source: SourceTrial) -> Path:
    """Returns the directory in `EXPORTS` that is named as the study or run.

    Raises:
      ConfigError: it holds exports of another study or run with that name.
      OutputError: the manifest of its newest version can't be read.
    """
    output = EXPORTS / source.name
    for version in list_versions(output)[-1:]:
        exported = read_manifest_unverified(output / str(version)).made_of["directory"]
        if Path(exported).resolve() != source.results.directory.resolve():
            raise ConfigError(
                f"output: is not given, and {output} holds exports of {exported}; must be "
                "given, as output=DIRECTORY"
            )
    return output


def _write_model(place: Path, retrained: RetrainedModel, inputs: QueryInputs) -> np.ndarray:
    """Writes the SavedModels and tables; returns the candidates' embeddings."""
    import pyarrow.parquet as pq
    import tensorflow as tf

    from sweeper.serving.query_tower import QueryTower
    from sweeper.serving.saved_model import ExactSearch, ServedModel

    training, data = retrained.training, retrained.interactions
    candidates: np.ndarray = training.model.embed_candidates(
        {name: tf.constant(value) for name, value in training.encoded.candidate.items()},
        training=False,
    ).numpy()
    tower = QueryTower(inputs, training.model, training.encoded)
    ServedModel.of_rows(tower, ExactSearch(candidates), data, retrained.rows).save(place)
    table = tables.candidate_table(data.candidate_columns, candidates)
    pq.write_table(table, place / tables.CANDIDATES)
    np.save(place / tables.EMBEDDINGS, candidates)
    if inputs.reads:
        users = tables.history_table(data, retrained.rows, inputs.names, inputs.reads)
    else:
        users = tables.user_table(data, retrained.rows, inputs.names)
    pq.write_table(users, place / tables.USERS)
    return candidates


def _sample_queries(retrained: RetrainedModel) -> np.ndarray:
    """Embeds the queries of a sample of the rows, always the same ones."""
    from sweeper.two_tower.evaluation.scoring import ModelScorer

    rows = np.random.default_rng(0).permutation(len(retrained.interactions))
    rows = rows[:QUERIES]
    training = retrained.training
    return ModelScorer(training.model, training.encoded, rows).embed_queries().numpy()


def _manifest(
    place: Path,
    source: SourceTrial,
    retrained: RetrainedModel,
    inputs: QueryInputs,
    rows: str,
    index: dict[str, Any] | None,
    shape: tuple[int, ...],
    tower: CandidateTower | None,
    no_tower_reason: str | None,
) -> Manifest:
    """Describes the files in `place`.

    Args:
      shape: of the candidates' embeddings.
    """
    from sweeper.serving.query_tower import known_words
    from sweeper.serving.signatures import candidate_signature, signatures

    data, encoded = retrained.interactions, retrained.training.encoded
    candidates, dimensions = shape
    column = retrained.config.data.columns.timestamp
    bias = retrained.training.model.seen_bias
    known_rows = np.arange(len(data)) if inputs.reads else retrained.rows
    newest = tables.newest(data, known_rows, column)
    return Manifest(
        sweeper_version=sweeper.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        made_of={
            "directory": str(source.results.directory),
            "trial": source.trial,
            "split_seed": source.split_seed,
            "rows": rows,
            "config": to_dictionary(retrained.config),
        },
        data=source.record.data,
        user_column=data.user_column,
        item_column=data.item_column,
        inputs={name: tables.kind_of(column) for name, column in inputs.columns.items()},
        input_names=inputs.names,
        known_words={
            column: words
            for column, words in known_words(retrained.config, encoded).items()
            if column != data.user_column
        },
        embedding_column=free_name(tables.EMBEDDING, data.candidate_columns),
        newest={} if newest is None or column not in inputs.columns else {str(column): newest},
        candidates=candidates,
        dimensions=dimensions,
        reads=list(inputs.reads),
        signatures=signatures(inputs, data.item_column, bias is not None)
        | ({} if tower is None else candidate_signature(tower)),
        seen_bias=None if bias is None else float(bias.numpy()),
        index=index,
        candidate_inputs={}
        if tower is None
        else {name: tables.kind_of(column) for name, column in tower.columns.items()},
        candidate_input_names={} if tower is None else tower.names,
        no_candidate_tower=no_tower_reason,
        files=checksums(place),
    )
