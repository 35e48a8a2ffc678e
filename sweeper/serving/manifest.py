"""`manifest.json` describes an export, and has a checksum of each of its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweeper.common.errors import OutputError, either, shortened
from sweeper.common.json_types import hints_of, is_of
from sweeper.common.output_files import atomic_write, read_json

# Version 1 had no `input_names`: inputs were named as their columns, the embeddings "embedding".
# Versions 1 and 2 had no `reads`, `signatures` and `seen_bias`, since no export read a history, and
# no candidate tower.
FORMAT_VERSION, READ_VERSIONS = 3, (1, 2, 3)
MANIFEST = "manifest.json"
HINT = "must be as python -m sweeper.export wrote it: copy or export it again"


@dataclass(frozen=True)
class Manifest:
    """Everything that a program needs to know about an export.

    Attributes:
      made_of: the study or run, its trial, the split seed, the rows that were trained on, and
        the configuration.
      data: as in `TrialRecord.data`.
      user_column, item_column: the columns of users and candidates.
      inputs: "string", "strings" or "number", by the columns that a query consists of.
      input_names: by the same columns, the name of the input in the signatures, and of the column
        in `users.parquet`; the column of users is included even if it is not an input.
      reads: the inputs that describe a user's history, "history" and "seconds_since_last", if the
        model reads them.
      signatures: by signature, the `inputs` and `outputs`: by name the `dtype`, the `shape` (null:
        any size) and what it `is`.
      embedding_column: of `candidates.parquet`, the column of embeddings.
      known_words: the words that the model distinguishes, by columns with at most 1,000 of them.
      seen_bias: what the model adds to the scores of the candidates in a request's history, on top
        of the product of the embeddings; None: nothing.
      newest: by columns that are times, the latest in the training rows, or in all rows if the
        model reads a history.
      index: the approximate index, if there is one: its `recall` of the best `k`, measured with
        `queries` queries, the recall that was wanted (`least`), the number of its `clusters`, and
        of those that a query looks through (`probes`).
      candidate_inputs: "string", "strings" or "number", by the columns that the candidate tower
        reads; empty if there is no candidate tower.
      candidate_input_names: by the same columns, the name of the input in its signature.
      no_candidate_tower: why the export has no candidate tower; None if it has one.
      catalogue: how a newer catalogue, embedded without training, differs from that of the
        version `of` (see `sweeper.serving.catalogue_changes`); None for a trained version.
      files: `sha256` and `bytes`, by path within the export.
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
        """The rows that `users.parquet` is made of: "training rows", or "rows in the data".

        If the model reads histories, these are all rows.
        """
        return "rows in the data" if self.reads else "training rows"


def checksums(directory: Path) -> dict[str, dict[str, Any]]:
    """Returns the checksum of every file in the directory, by path."""
    return {
        str(path.relative_to(directory)): {"sha256": _sha256(path), "bytes": path.stat().st_size}
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def write_manifest(directory: Path, manifest: Manifest) -> None:
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write(directory / MANIFEST, (text + "\n").encode())


def read_manifest(directory: Path) -> Manifest:
    """Reads an export's manifest, and verifies the checksum of every file.

    Raises:
      OutputError: as in `read_manifest_unverified`, or a file has changed.
    """
    manifest = read_manifest_unverified(directory)
    for name, each in manifest.files.items():
        _check(directory / name, each["sha256"], each["bytes"])
    return manifest


def read_manifest_unverified(directory: Path) -> Manifest:
    """Reads an export's manifest, without reading its other files.

    Raises:
      OutputError: it can't be read, or a newer version wrote it.
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
        manifest = Manifest(**_upgraded(content))
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


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Converts the content of an older format version to the newest."""
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
        raise OutputError(f"{path}: can't be read ({error.strerror}); {HINT}") from error
    if not same:
        raise OutputError(
            f"{path}: is not the file that was exported: its checksum isn't the manifest's; {HINT}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
