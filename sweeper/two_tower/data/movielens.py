"""The MovieLens data sets: their names, files, sizes and checksums.

MovieLens is GroupLens's: https://grouplens.org/datasets/movielens/. Its licence
forbids redistribution, so the project fetches it and never contains it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class MovieLens:
    """One of the MovieLens data sets.

    Attributes:
      name: as `data.name` has it.
      title: as people write it.
      version: TFDS's name for it: its builder configurations are
        `<version>-ratings` and `<version>-movies`.
      ratings_file: one line a rating, after `header_lines` lines.
      other_files: what else TFDS's parser reads.
      build_time: about how long TFDS takes to prepare it, for people.
      md5: of the original files, where the project knows them.
    """

    name: str
    title: str
    version: str
    ratings_file: str
    other_files: tuple[str, ...]
    build_time: str
    header_lines: int = 0
    md5: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        return (self.ratings_file, *self.other_files)

    @property
    def folder(self) -> str:
        return f"ml-{self.version}"

    @property
    def url(self) -> str:
        return f"https://files.grouplens.org/datasets/movielens/{self.folder}.zip"

    def altered_files(self, folder: Path) -> list[str]:
        """Those of the files in `folder` that differ from the known originals."""
        return [name for name in self.md5 if md5_of(folder / name) != self.md5[name]]


MOVIELENS = {
    data_set.name: data_set
    for data_set in (
        MovieLens(
            name="movielens_100k",
            title="MovieLens 100K",
            version="100k",
            ratings_file="u.data",
            other_files=("u.item", "u.user"),
            build_time="20 s",
            md5={
                "u.data": "6e47046882bad158b0efbb84cd5cb987",
                "u.item": "c9e7f390115d79079537301d5204f3f7",
                "u.user": "1b53539edc13caad0282c8500608a319",
            },
        ),
        MovieLens(
            name="movielens_1m",
            title="MovieLens 1M",
            version="1m",
            ratings_file="ratings.dat",
            other_files=("movies.dat", "users.dat"),
            build_time="3 min",
        ),
        MovieLens(
            name="movielens_25m",
            title="MovieLens 25M",
            version="25m",
            ratings_file="ratings.csv",
            other_files=("movies.csv",),
            build_time="1 h",
            header_lines=1,
        ),
    )
}


def md5_of(path: Path) -> str:
    """The file's MD5 in hexadecimal: it tells originals from altered copies, no more."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
