"""The MovieLens data sets, and a user's copy of their files in a folder or a zip archive.

MovieLens is GroupLens's: https://grouplens.org/datasets/movielens/. Its licence forbids
redistribution, so the project fetches it and never contains it.
"""

from __future__ import annotations

import hashlib
import lzma
import os.path
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sweeper.common.errors import DataError


@dataclass(frozen=True)
class MovieLens:
    """One of the MovieLens data sets.

    Attributes:
      name: the value of `data.name`.
      title: the name for people.
      version: the name in TFDS, whose builder configurations are `<version>-ratings` and
        `<version>-movies`.
      ratings_file: the file with one line for each rating, after `header_lines` lines.
      other_files: the other files that TFDS's parser reads.
      build_time: about how long TFDS takes to prepare the data, for people.
      md5: the checksums of the original files, if the project knows them.
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
        """Returns the files in `folder` that differ from the known originals."""
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
    """Returns the file's MD5 in hexadecimal, which only tells originals from altered copies."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


# What `zipfile` and its decompressors raise for a damaged archive. A damaged LZMA member may ask
# for a dictionary of 4 GiB.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, MemoryError,
    NotImplementedError, OSError, RuntimeError, ValueError,
)  # fmt: skip
CHUNK = 2**20
# The largest total size of the files; the largest MovieLens takes a quarter of it.
MAX_BYTES = 4 * 2**30


@dataclass(frozen=True)
class LocalFiles:
    """The location of the needed files.

    Attributes:
      path: the folder that contains them, or the archive.
      members: the names of the files in the archive, by file; empty for a folder.
    """

    path: Path
    data_set: MovieLens
    members: dict[str, str]

    @property
    def key(self) -> str:
        """A key that changes with a file's place, size or modification time."""
        digest = hashlib.sha256()
        names = [""] if self.members else list(self.data_set.files)
        for file in (self.path / name for name in names):
            status = file.stat()
            digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        return digest.hexdigest()[:16]

    def folder(self, work: Path) -> Path:
        """Returns a folder with the files: their own, or `work` with the extracted members.

        Raises:
          DataError: a member is damaged or encrypted.
        """
        for name, member in self.members.items():
            # Under its usual name, whatever the archive calls it.
            with open(work / name, "wb") as target:
                for chunk in self._chunks(member):
                    target.write(chunk)
        return work if self.members else self.path

    def _chunks(self, member: str) -> Iterator[bytes]:
        """Yields the bytes of a member, no more than the archive declares."""
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as source:
                while chunk := source.read(CHUNK):
                    yield chunk
        except UNREADABLE as error:
            reason = str(error) or type(error).__name__
            raise DataError(f"{self.path} can't be extracted: {reason}") from error


def find_local_files(data_set: MovieLens, source: str) -> LocalFiles:
    """Finds the files of `data_set` in `source`, a folder, its parent, or a zip archive.

    Raises:
      DataError: there is no such path, it isn't an archive, or files are missing.
    """
    path = Path(os.path.expanduser(source))
    # Reading a device or a pipe might never end.
    if not os.path.isdir(path) and not os.path.isfile(path):
        raise DataError(
            f"data.source={source}: there is no such file or folder "
            f"({path.absolute()}). Give auto, tfds, package_index, or the path of a folder or "
            f"zip archive with {_list(data_set.files)}."
        )
    path = path.resolve()
    return _in_folder(data_set, path) if path.is_dir() else _in_archive(data_set, path)


def _in_folder(data_set: MovieLens, path: Path) -> LocalFiles:
    missing: list[str] = []
    for folder in (path / data_set.folder, path):
        missing = [name for name in data_set.files if not (folder / name).is_file()]
        if not missing:
            return LocalFiles(folder, data_set, {})
    raise _missing(data_set, path, missing)


def _in_archive(data_set: MovieLens, path: Path) -> LocalFiles:
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
    except UNREADABLE as error:
        raise DataError(
            f"data.source={path} is neither a folder nor a zip archive: {error}"
        ) from error
    # An archive may hold several releases, each in a folder of its own.
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for name in sizes:
        inner = PurePosixPath(name.replace("\\", "/"))
        if inner.name not in data_set.files:
            continue
        if inner.is_absolute() or ".." in inner.parts or ":" in inner.parts[0]:
            raise DataError(
                f"{path} has a member {name!r} that points outside the archive: it is not a copy "
                f"of {data_set.title}."
            )
        folders.setdefault(inner.parent, {}).setdefault(inner.name, name)
    # Prefer the folder with the data set's name, then the one that lacks fewest files.
    members = max(
        folders.items(), key=lambda item: (item[0].name == data_set.folder, len(item[1])),
        default=(None, {}),
    )[1]  # fmt: skip
    missing = [name for name in data_set.files if name not in members]
    if missing:
        raise _missing(data_set, path, missing)
    size = sum(sizes[member] for member in members.values())
    if size > MAX_BYTES:
        raise DataError(
            f"{path} would take {size / 2**30:,.1f} GiB when extracted: it is not a copy of "
            f"{data_set.title}, which takes less than {MAX_BYTES / 2**30:g}."
        )
    return LocalFiles(path, data_set, members)


def _missing(data_set: MovieLens, path: Path, missing: list[str]) -> DataError:
    return DataError(
        f"data.source={path} lacks {_list(missing)}: {data_set.title} needs "
        f"{_list(data_set.files)}, as in {data_set.folder}.zip."
    )


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
