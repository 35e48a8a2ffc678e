"""Turns MovieLens files into TFDS's records, with TFDS's own parser.

Files from anywhere so give the same records in the same order as TFDS's own
download from GroupLens.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sweeper.data.movielens import MovieLens
from sweeper.data.progress import stage
from sweeper.errors import DataError


def build_records(
    data_set: MovieLens, files: Path, work: Path, say: Callable[[str], None]
) -> tuple[Path, Path]:
    """Builds the records of `files` below `work`.

    Args:
      data_set: which MovieLens the files are.
      files: a folder that holds `data_set.files`.
      work: an empty directory for the records.
      say: gets a line for each stage.

    Returns:
      TFDS's directories of the ratings and of the movies.

    Raises:
      DataError: a file is not what TFDS's parser expects.
    """
    with open(files / data_set.ratings_file, "rb") as ratings:
        total = sum(1 for _ in ratings) - data_set.header_lines
    if total < 1:
        raise DataError(f"{files / data_set.ratings_file} holds no ratings.")
    text = f"Building the TFDS records of {total:,} ratings (once, in all about {data_set.build_time} for the full set)"
    with stage(say, text, total) as advance:
        movies = _build(data_set, "movies", files, work, lambda count: None)
        ratings_directory = _build(data_set, "ratings", files, work, advance)
    return ratings_directory, movies


def _build(
    data_set: MovieLens, table: str, files: Path, work: Path, advance: Callable[[int], None]
) -> Path:
    builder = _builder_class(files, advance)(config=f"{data_set.version}-{table}", data_dir=work)
    with quiet():
        builder.download_and_prepare()
    return Path(builder.data_dir)


def _builder_class(files: Path, advance: Callable[[int], None]) -> Any:
    """TFDS's MovieLens builder, reading from `files` instead of a download."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered
    from tensorflow_datasets.structured.movielens import Movielens

    with registered.skip_registration():

        class LocalMovielens(Movielens):
            name = "movielens"

            def _split_generators(self, dl_manager: Any) -> list[Any]:
                arguments = {"dir_path": str(files)}
                return [tfds.core.SplitGenerator(name="train", gen_kwargs=arguments)]

            def _generate_examples(self, dir_path: str | None = None) -> Iterator[Any]:
                count = 0
                try:
                    for example in super()._generate_examples(dir_path):
                        yield example
                        count += 1
                        advance(1)
                except (ValueError, LookupError, TypeError) as error:
                    raise DataError(
                        f"The files in {files} are not as {self.builder_config.name} should be: "
                        f"{type(error).__name__}: {error}, after {count:,} good rows."
                    ) from error

    return LocalMovielens


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS's own bars and announcements off the terminal."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
