"""Turns MovieLens files into TFDS's records, with TFDS's own parser.

Files from any source give the same records, in the same order, as TFDS's own download from
GroupLens.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sweeper.common.console import stage
from sweeper.common.errors import DataError
from sweeper.common.output_files import temporary_files_in
from sweeper.two_tower.data.movielens import MovieLens


def build_records(
    data_set: MovieLens, files: Path, origin: str, work: Path, say: Callable[[str], None]
) -> tuple[Path, Path]:
    """Builds the records of `files` below `work`.

    Args:
      data_set: which MovieLens the files are.
      files: a folder that contains `data_set.files`.
      origin: where the files came from, for errors.
      work: an empty directory for the records.
      say: receives a line for each stage.

    Returns:
      TFDS's directories of the ratings and of the movies.

    Raises:
      DataError: a file is not what TFDS's parser expects.
      OSError: `work` can't be written.
    """
    with open(files / data_set.ratings_file, "rb") as ratings:
        total = sum(1 for _ in ratings) - data_set.header_lines
    if total < 1:
        raise DataError(f"{data_set.ratings_file} of {origin} holds no ratings.")
    text = f"Building the TFDS records of {total:,} ratings, once (about {data_set.build_time})"
    directories = []
    with stage(say, text, total) as advance:
        for table, report in (("ratings", advance), ("movies", lambda count: None)):
            rows = _RowCounter(report)
            # TFDS leaves a directory behind wherever it makes temporary ones.
            with temporary_files_in(work):
                builder = _builder_class(files, rows)(
                    config=f"{data_set.version}-{table}", data_dir=work
                )
            with _explained(f"the {table} of {origin}", data_set, rows), quiet():
                builder.download_and_prepare()
            directories.append(Path(builder.data_dir))
    return directories[0], directories[1]


class _RowCounter:
    """Counts rows, and reports them a thousand at a time, because advancing a bar is slow."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self.count = 0
        self._report = report

    def add_one(self) -> None:
        self.count += 1
        if self.count % 1_000 == 0:
            self._report(1_000)


@contextlib.contextmanager
def _explained(where: str, data_set: MovieLens, rows: _RowCounter) -> Iterator[None]:
    """Names the row in errors, as the parser and the encoder raise whatever a row makes them."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if os.strerror(errno.ENOSPC) in str(error):
            # TensorFlow's error for a full disk is not an `OSError`.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise DataError(
            f"Row {rows.count + 1:,} of {where} is not as {data_set.title} has it: "
            f"{type(error).__name__}: {error}"
        ) from error


def _builder_class(files: Path, rows: _RowCounter) -> Any:
    """Returns TFDS's MovieLens builder, reading from `files` instead of a download."""
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
                for example in super()._generate_examples(dir_path):
                    yield example
                    rows.add_one()

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
