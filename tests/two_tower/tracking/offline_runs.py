"""Reads the file of an offline W&B run, a log in LevelDB's form of W&B's own messages."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START, BLOCK, HEADER = b":W&B\xe1\xbe\x00", 32_768, 7
FULL, LAST = 1, 4


@dataclass
class OfflineRun:
    """What the file of one run holds.

    Attributes:
      exit_code: None: the run was never closed.
      history: one entry a step, its `_step` among them.
      kinds: the kinds of messages.
    """

    name: str = ""
    group: str = ""
    project: str = ""
    exit_code: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)
    text: str = ""


def offline_run(trial: Path) -> OfflineRun:
    """The one run below a trial's directory."""
    (path,) = trial.glob("wandb/offline-run-*/run-*.wandb")
    run = OfflineRun()
    for message in _messages(path):
        kind = message.WhichOneof("record_type")
        run.kinds.add(kind)
        run.text += str(message)
        if kind == "run":
            run.name, run.group = message.run.display_name, message.run.run_group
            run.project = message.run.project
            run.config |= _values(message.run.config.update)
        elif kind == "summary":
            run.summary |= _values(message.summary.update)
        elif kind == "history":
            run.history.append(_values(message.history.item))
        elif kind == "exit":
            run.exit_code = message.exit.exit_code
    return run


def _values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _messages(path: Path) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    assert content.startswith(START)
    at, parts = len(START), b""
    while at + HEADER <= len(content):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        at += HEADER
        parts += content[at : at + length]
        at += length
        if kind in (FULL, LAST):
            yield Record.FromString(parts)
            parts = b""
