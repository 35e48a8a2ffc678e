"""`manifest.json`: what an export is made of, and a checksum of each of its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweeper.common.errors import OutputError, either, shortened
from sweeper.common.json_types import hints_of, is_of
from sweeper.common.output_files import atomic_write, read_json

# 1 had no `input_names`: each input was named as its column, the embeddings' "embedding". 1 and 2
# had no `reads`, `signatures` and `seen_bias`, as no export read a history, and no candidate tower.
FORMAT_VERSION, READ_VERSIONS = 3, (1, 2, 3)
MANIFEST = "manifest.json"
EXAMPLES = 3
AGAIN = "must be as python -m sweeper.export wrote it: copy or export it again"


@dataclass(frozen=True)
class Manifest:
    """Everything that a program needs to know of an export.

    Attributes:
      made_of: the study or run, its trial, the split seed, the rows that were trained on, and
        the configuration.
      data: as in `TrialRecord.data`.
      user_column, item_column: the columns that name users and candidates.
      inputs: by column that a query consists of, "string", "strings" or "number".
      input_names: by the same columns, the name of each one's input in the signatures, and of its
        column in `users.parquet`; the column of users is among them even if it is no input.
      reads: the inputs that tell what the user did before, "history" and "seconds_since_last", as
        far as the model reads it.
      signatures: by signature, the `inputs` and `outputs`: by name the `dtype`, the `shape` (null:
        any size) and what it `is`.
      embedding_column: of `candidates.parquet`, the column of embeddings.
      known_words: by columns of at most 1,000 different words, those that the model tells apart.
      seen_bias: what the model adds to the scores of what a request's history holds, beyond the
        product of the embeddings; None: nothing.
      newest: of each column of numbers that is a time, the last one in the training rows, or in
        all rows where the model reads a history.
      index: of the approximate index, if there is one, its `recall` of the best `k` of so many
        `queries`, the recall that was wanted at `least`, and how many of its `clusters` a query
        looks through, `probes`.
      candidate_inputs: by column that the candidate tower reads, "string", "strings" or "number";
        empty if there is no candidate tower.
      candidate_input_names: by the same columns, the name of each one's input in its signature.
      no_candidate_tower: why the export has no candidate tower; None if it has one.
      catalogue: how a newer catalogue, embedded without training, differs from that of the
        version `of` (`sweeper.serving.newer_version` lists its keys); None of a trained version.
      files: by path within the export, its `sha256` and `bytes`.
    """

    sweeper_version: str
    created: str
    made_of: dict[str, Any]
    data: dict[str, Any]
    user_column: str
    item_column: str
    inputs: dict[str, str]
    input_names: dict[str, str]
    embedding_column: str
    known_words: dict[str, list[str]]
    newest: dict[str, float]
    candidates: int
    dimensions: int
    reads: list[str] = field(default_factory=list)
    signatures: dict[str, Any] = field(default_factory=dict)
    seen_bias: float | None = None
    index: dict[str, Any] | None = None
    candidate_inputs: dict[str, str] = field(default_factory=dict)
    candidate_input_names: dict[str, str] = field(default_factory=dict)
    no_candidate_tower: str | None = None
    catalogue: dict[str, Any] | None = None
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @property
    def known_rows(self) -> str:
        """The rows that `users.parquet` is made of: a model that reads histories is asked with all.

        "training rows", or "rows in the data".
        """
        return "rows in the data" if self.reads else "training rows"


def checksums(directory: Path) -> dict[str, dict[str, Any]]:
    """Of every file in the directory, by its path there."""
    return {
        str(path.relative_to(directory)): {"sha256": _sha256(path), "bytes": path.stat().st_size}
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def write_manifest(directory: Path, manifest: Manifest) -> None:
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(directory / MANIFEST, (text + "\n").encode())


def read_manifest(directory: Path) -> Manifest:
    """Reads an export's manifest, and holds every file to its checksum.

    Raises:
      OutputError: as `manifest_of`, or a file is not what it was.
    """
    manifest = manifest_of(directory)
    for name, each in manifest.files.items():
        _check(directory / name, each["sha256"], each["bytes"])
    return manifest


def manifest_of(directory: Path) -> Manifest:
    """Reads an export's manifest alone.

    Raises:
      OutputError: it can't be read, or is of a newer version.
    """
    path = directory / MANIFEST
    content = read_json(path, "manifest")
    version = content.get("format_version") if isinstance(content, dict) else None
    if version not in READ_VERSIONS:
        writer = content.get("sweeper_version") if isinstance(content, dict) else None
        by = f", written by sweeper {writer}" if writer is not None else ""
        readable = either([str(each) for each in READ_VERSIONS])
        raise OutputError(
            f"{path}: has format version {version}{by}; this sweeper reads {readable}"
        )
    try:
        manifest = Manifest(**_as_newest(content))
        for each in manifest.files.values():
            _ = each["sha256"], each["bytes"]
    except (TypeError, KeyError, AttributeError) as error:
        raise OutputError(f"{path}: isn't a manifest of this version: {error}") from error
    for name, hint in hints_of(Manifest).items():
        if not is_of(value := getattr(manifest, name), hint):
            raise OutputError(
                f"{path}: isn't a manifest of this version: {name} is {shortened(repr(value))}"
            )
    if {*manifest.inputs, manifest.user_column} != {*manifest.input_names}:
        raise OutputError(
            f"{path}: isn't a manifest of this version: inputs and input_names have other columns"
        )
    return manifest


def _as_newest(content: dict[str, Any]) -> dict[str, Any]:
    """What a manifest of an older version would be in the newest one."""
    if content["format_version"] == FORMAT_VERSION:
        return content
    if content["format_version"] == 1:
        content = content | {
            "input_names": {name: name for name in content["inputs"]},
            "embedding_column": "embedding",
            "known_words": {},
        }
    writer = content.get("sweeper_version")
    return content | {
        "no_candidate_tower": f"sweeper {writer}, which exported it, exported none",
        "format_version": FORMAT_VERSION,
    }


def _check(path: Path, digest: str, size: int) -> None:
    try:
        found = path.stat().st_size
        same = found == size and _sha256(path) == digest
    except OSError as error:
        raise OutputError(f"{path}: can't be read ({error.strerror}); {AGAIN}") from error
    if not same:
        raise OutputError(
            f"{path}: is not the file that was exported: its checksum isn't the manifest's; {AGAIN}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_version(directory: Path, version: int | None) -> Path:
    """The directory of one version of an export, the newest unless `version` says.

    Args:
      directory: of an export with its versions, or one version itself.

    Raises:
      OutputError: there is none.
    """
    if version is None and (directory / MANIFEST).exists():
        return directory
    if (directory / MANIFEST).exists():
        raise OutputError(
            f"version: got {version}, but {directory} is one version itself; must be left out"
        )
    found = versions(directory)
    if not found:
        raise OutputError(
            f"{directory}: holds no export ({MANIFEST}); must be a directory that "
            f"python -m sweeper.export wrote{_examples(directory)}"
        )
    chosen = found[-1] if version is None else version
    if chosen not in found:
        raise OutputError(
            f"version: got {version}; must be one that {directory} has: "
            f"{', '.join(map(str, found))}"
        )
    return directory / str(chosen)


def is_version(name: str) -> bool:
    """Whether a directory's name is that of a version: 1, 2, …"""
    return name.isascii() and name.isdigit()


def versions(directory: Path) -> list[int]:
    """The versions of an export, in order."""
    return sorted(
        int(path.parent.name)
        for path in directory.glob(f"*/{MANIFEST}")
        if is_version(path.parent.name)
    )


def _examples(directory: Path) -> str:
    """The exports that lie below, as far as a user may have meant one of them."""
    places = sorted({str(path.parent.parent) for path in directory.glob(f"*/*/{MANIFEST}")})
    return f": {', '.join(places[:EXAMPLES])}" if places else ""
