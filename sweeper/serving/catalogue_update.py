"""Writes a version of an export with a newer catalogue, embedded without training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from omegaconf import OmegaConf
from rich.console import Console

import sweeper
from sweeper.common.console import print_status, stage
from sweeper.common.errors import ConfigError
from sweeper.common.output_files import atomic_write
from sweeper.serving import tables
from sweeper.serving.catalogue_changes import catalogue_changes, change_lines, newer_card
from sweeper.serving.catalogue_reading import ItemsFile, read_catalogue, unknown_words
from sweeper.serving.index import QUERIES, import_faiss, write_index
from sweeper.serving.input_names import HISTORY
from sweeper.serving.loaded_export import LoadedExport, start_serving
from sweeper.serving.manifest import MANIFEST, checksums, read_manifest_unverified, write_manifest
from sweeper.serving.model_card import CARD
from sweeper.serving.queries import make_queries
from sweeper.serving.versions import (
    check_output_directory,
    find_version,
    is_version,
    list_versions,
    write_version,
)
from sweeper.two_tower.config import to_dataclass, with_defaults
from sweeper.two_tower.data.columns import Column

if TYPE_CHECKING:
    from sweeper.two_tower.evaluation.ranking import SeenItems

# Items embedded at once; a smaller catalogue is embedded in one call, as after training.
ROWS_A_BATCH = 65_536


def embed(
    directory: Path,
    file: ItemsFile,
    console: Console,
    version: int | None = None,
    output: Path | None = None,
) -> Path:
    """Writes a new version of an export with the items of a file; returns its directory.

    Args:
      directory: of an export, or of one version of it.
      version: the version whose model embeds the items; None: the newest that was trained.
      output: the directory of the versions; None: the export's own directory.

    Raises:
      ConfigError, DataError, OutputError: before anything is written, as far as it can be known.
    """
    base = LoadedExport(find_base(directory, version))
    manifest = base.manifest
    output = output or _default_output(base.directory)
    _check(base, output)
    config = to_dataclass(OmegaConf.create(with_defaults(manifest.made_of["config"])))
    print_status(console, "model", f"{base.directory}, with {manifest.candidates:,} items")
    old = tables.read_table(base.directory / tables.CANDIDATES)
    old = old.drop_columns(manifest.embedding_column)
    report = partial(print_status, console, "items")
    with stage(report, f"Reading {file.path}"):
        columns = read_catalogue(file, old, manifest.item_column, config.data, report)
    items = columns[manifest.item_column].categories  # type: ignore[union-attr]
    start_serving()
    embeddings, known = _embed(base, columns, report)
    seen, dropped = _seen(base, items)
    changes = catalogue_changes(
        base.titles,
        items,
        config,
        manifest.item_column,
        of=base.directory.resolve().name,
        source=file.path,
        known_ids=known,
        unknown_words=unknown_words(columns, old, config, manifest.item_column),
        dropped_seen=dropped,
    )
    for topic, text in change_lines(changes):
        print_status(console, topic, text)

    def write(place: Path) -> None:
        _write_model(place, base, columns, embeddings, seen)
        index = None
        if manifest.index is not None:
            queries, least = _sample_queries(base), manifest.index["least"]
            index = write_index(place / tables.INDEX, embeddings, queries, least, console)
        _write_description(place, base, changes, index)

    written = write_version(output, write)
    names = sorted(each.name for each in written.iterdir())
    print_status(console, "output", f"{written} ({', '.join(names)})")
    return written


def find_base(directory: Path, version: int | None) -> Path:
    """Returns the version whose model embeds a newer catalogue: the newest that was trained.

    A version made by `embed` has lost what users have seen of items that were gone then. It is
    used only if it is asked for, or if there is no other.

    Raises:
      OutputError: there is no such version.
    """
    if version is None and not (directory / MANIFEST).exists():
        for number in reversed(list_versions(directory)):
            if read_manifest_unverified(directory / str(number)).catalogue is None:
                return directory / str(number)
    return find_version(directory, version)


def _default_output(base: Path) -> Path:
    """Returns the directory of the export that has the version `base`."""
    place = base.resolve()
    if not is_version(place.name):
        raise ConfigError(
            f"output: is not given, and {base} is not one of an export's versions 1, 2, …; must "
            "be given, as output=DIRECTORY"
        )
    return base.parent if is_version(base.name) else place.parent


def _check(base: LoadedExport, output: Path) -> None:
    """Raises an error if no new version can be written."""
    manifest = base.manifest
    if not manifest.candidate_inputs:
        raise ConfigError(
            f"{base.directory}: has no candidate tower ({manifest.no_candidate_tower}); must have "
            "one to embed new items: export it again with python -m sweeper.export, or train a "
            "model whose features have one"
        )
    if manifest.index is not None:
        import_faiss()
    check_output_directory(output)


def _embed(
    base: LoadedExport, columns: Mapping[str, Column], report: Callable[[str], None]
) -> tuple[np.ndarray, int | None]:
    """Returns the items' embeddings, and how many ids the model knows; None if it reads no ids."""
    import tensorflow as tf

    from sweeper.serving.candidate_tower import KNOWN
    from sweeper.serving.query_tower import DEFAULT
    from sweeper.two_tower.model.feature_graphs import raw_values

    loaded = tf.saved_model.load(str(base.directory / tables.CANDIDATE_TOWER))
    tower = loaded.signatures[DEFAULT]
    number, names = len(columns[base.manifest.item_column]), base.manifest.candidate_input_names
    embeddings, known = [], []
    with stage(report, f"Embedding {number:,} items", total=number) as advance:
        for start in range(0, number, ROWS_A_BATCH):
            rows = np.arange(start, min(start + ROWS_A_BATCH, number))
            outputs = tower(
                **{
                    names[column]: raw_values(columns[column].take(rows))
                    for column in base.manifest.candidate_inputs
                }
            )
            embeddings.append(outputs[tables.EMBEDDING].numpy())
            if KNOWN in outputs:
                known.append(int(outputs[KNOWN].numpy().sum()))
            advance(len(rows))
    return np.concatenate(embeddings), sum(known) if known else None


def _seen(base: LoadedExport, items: Sequence[str]) -> tuple[SeenItems, int]:
    """Returns what each user has seen of the new catalogue, and how many seen items are gone."""
    from sweeper.two_tower.evaluation.ranking import SeenItems

    place_of = {item: place for place, item in enumerate(items)}
    place = np.array([place_of.get(item, -1) for item in base.titles], np.int32)
    seen = tables.read_table(base.directory / tables.USERS, [tables.SEEN])[tables.SEEN]
    lengths = pc.list_value_length(seen).to_numpy()
    users = np.repeat(np.arange(len(seen)), lengths)
    places = place[np.asarray(seen.combine_chunks().flatten())]
    is_kept = places >= 0
    counts = np.bincount(users[is_kept], minlength=len(seen))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return SeenItems(offsets, places[is_kept]), int((~is_kept).sum())


def _write_model(
    place: Path,
    base: LoadedExport,
    columns: Mapping[str, Column],
    embeddings: np.ndarray,
    seen: SeenItems,
) -> None:
    """Writes the SavedModels, with copies of the towers, and the tables."""
    from sweeper.serving.query_tower import SavedQueryTower
    from sweeper.serving.saved_model import ExactSearch, SeenTable, ServedModel

    manifest = base.manifest
    user = manifest.input_names[manifest.user_column]
    has_user = manifest.user_column in manifest.inputs
    saved = base.directory / tables.QUERY_TOWER
    tower = SavedQueryTower(saved, user if has_user else None, manifest.seen_bias)
    users = tables.read_table(base.directory / tables.USERS)
    items = columns[manifest.item_column].categories  # type: ignore[union-attr]
    seen_table = SeenTable(users[user].to_pylist(), seen) if has_user else None
    ServedModel(tower, ExactSearch(embeddings), items, seen_table).save(place)
    towers = base.directory / tables.CANDIDATE_TOWER
    shutil.copytree(towers, place / tables.CANDIDATE_TOWER)
    pq.write_table(tables.candidate_table(columns, embeddings), place / tables.CANDIDATES)
    np.save(place / tables.EMBEDDINGS, embeddings)
    lists = pa.LargeListArray.from_arrays(
        pa.array(seen.offsets, pa.int64()), pa.array(seen.items, pa.int32())
    )
    column = users.column_names.index(tables.SEEN)
    pq.write_table(users.set_column(column, tables.SEEN, lists), place / tables.USERS)
    if HISTORY in manifest.reads:
        known = pa.table({manifest.item_column: list(base.history_items)})
        pq.write_table(known, place / tables.HISTORY_ITEMS)


def _sample_queries(base: LoadedExport) -> np.ndarray:
    """Embeds the queries of a sample of the known users, always the same ones."""
    known = base.users
    order = np.random.default_rng(0).permutation(len(known))[:QUERIES]
    queries = make_queries(base, [known[row] for row in order], {}, known_only=False)
    return base.embed([query.inputs for query in queries])


def _write_description(
    place: Path, base: LoadedExport, changes: dict[str, Any], index: dict[str, Any] | None
) -> None:
    """Writes the model card, and the manifest of all files in `place`."""
    manifest = replace(
        base.manifest,
        sweeper_version=sweeper.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        candidates=changes["items"],
        index=index,
        catalogue=changes,
    )
    card = newer_card((base.directory / CARD).read_text(), manifest)
    atomic_write(place / CARD, card.encode())
    write_manifest(place, replace(manifest, files=checksums(place)))
