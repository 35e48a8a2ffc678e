"""Previews the columns, sizes and contents of the data before anything is trained.

Reading data may start TensorFlow, and Arrow's threads. It happens in a process of its own, so that
this one can still fork trials.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.common.errors import DataError, Stopped, SweeperError
from sweeper.two_tower.config import DataConfig
from sweeper.two_tower.data.columns import Column, NumericColumn
from sweeper.two_tower.data.interactions import Interactions

Say = Callable[[str], None]
# By "KEY: file": the size in bytes and the modification time in nanoseconds.
FileStates = Mapping[str, tuple[int, int] | list[int]]

# Keys of `data` that don't change the rows: those of the split, and where copies are cached.
NO_CONTENTS = (
    "split", "split_seed", "cut", "train_size", "validation_size", "test_size",
    "cold_start_items", "cache_dir",
)  # fmt: skip

# How long a process that was told to stop may take to clean up.
SECONDS_TO_FINISH = 5.0


@dataclass(frozen=True)
class Preview:
    """The columns and sizes of a data set.

    Attributes:
      query_columns: the columns of the interactions, without rows.
      candidate_columns: the columns of the catalogue, without rows.
      num_rows: the number of interactions.
      num_users: the largest number of users.
      num_items: the largest number of candidates.
      fingerprint: SHA-256 of the contents; None for synthetic data, which isn't drawn for this.
      user_column: the name of the column of users in `query_columns`.
      timestamp_column: the name of the column of times in `query_columns`; None if there is none.
    """

    query_columns: dict[str, Column]
    candidate_columns: dict[str, Column]
    num_rows: int
    num_users: int
    num_items: int
    fingerprint: str | None
    user_column: str
    timestamp_column: str | None


def contents_key(data: DataConfig | Mapping[str, Any]) -> str:
    """Returns a key that is the same for configurations of `data` with the same rows."""
    values = dataclasses.asdict(data) if isinstance(data, DataConfig) else dict(data)
    kept = {name: value for name, value in values.items() if name not in NO_CONTENTS}
    return json.dumps(kept, sort_keys=True)


def preview(config: DataConfig, say: Say = print) -> Preview:
    """Previews the data that `config` names, reading it into the cache if needed.

    Raises:
      DataError: as `load_interactions`.
    """
    if config.name != "synthetic":
        return _in_child(_loaded_preview, config, say)
    from sweeper.two_tower.data import synthetic

    # The columns are the same for any size, and the size is in the configuration.
    size = config.synthetic
    few = dataclasses.replace(size, num_users=2, num_items=2, num_interactions=3)
    return dataclasses.replace(
        _preview_of(synthetic.generate(few)),
        num_rows=size.num_interactions,
        num_users=size.num_users,
        num_items=size.num_items,
        fingerprint=None,
    )


def file_states(config: DataConfig) -> FileStates:
    """Returns the present state of the files of `data=table`; empty for other data."""
    if config.name != "table":
        return {}
    from sweeper.two_tower.data.table.table import all_files

    states = {}
    for table in all_files(config):
        for file, (_, size, changed) in zip(table.files, table.state(), strict=False):
            folder = Path(os.path.expanduser(table.path))
            name = file.name if file == folder else str(file.relative_to(folder))
            states[f"{table.key}: {name}"] = (size, changed)
    return states


def changed_files(before: FileStates, now: FileStates) -> list[str]:
    """Returns a text for each file that has changed."""
    texts = []
    for name in dict.fromkeys([*before, *now]):
        if name not in now:
            texts.append(f"{name} is no longer there")
        elif name not in before:
            texts.append(f"{name} is new")
        elif list(before[name]) != list(now[name]):
            texts.append(f"{name} had {_state(before[name])}, and has {_state(now[name])}")
    return texts


def _state(state: tuple[int, int] | list[int]) -> str:
    size, changed = state
    return f"{size:,} bytes of {datetime.fromtimestamp(changed / 1e9):%Y-%m-%d %H:%M:%S}"


def _loaded_preview(config: DataConfig, say: Say) -> Preview:
    from sweeper.two_tower.data.loading import load_interactions

    return _preview_of(load_interactions(config, say))


def _preview_of(data: Interactions) -> Preview:
    return Preview(
        _without_rows(data.query_columns),
        _without_rows(data.candidate_columns),
        len(data),
        data.num_users,
        data.num_items,
        data.fingerprint,
        data.user_column,
        data.timestamp_column,
    )


def _without_rows(columns: Mapping[str, Column]) -> dict[str, Column]:
    empty: dict[str, Column] = {}
    for name, column in columns.items():
        no_rows = column.take(np.zeros(0, np.int64))
        if not isinstance(no_rows, NumericColumn):
            # There may be many words, so they are left out as well.
            no_rows = dataclasses.replace(no_rows, categories=[])
        empty[name] = no_rows
    return empty


def _in_child(function: Callable[[DataConfig, Say], Preview], config: DataConfig, say: Say) -> Any:
    """Calls a function in a forked process and returns its result.

    Raises:
      DataError: the process was killed; or what the function raises.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_send_result, args=(theirs, function, config, say))
    child.start()
    theirs.close()
    try:
        result = ours.recv()
    except EOFError:
        child.join()
        raise DataError(
            f"data: the process that reads it ended with exit code {child.exitcode} "
            "(-9: out of memory, or killed by hand)"
        ) from None
    except Stopped:
        # Unlike Ctrl-C in a terminal, SIGTERM has reached this process alone.
        child.terminate()
        raise
    finally:
        child.join(SECONDS_TO_FINISH)
        child.kill()
        child.join()
    if isinstance(result, BaseException):
        raise result
    return result


def _send_result(
    connection: Connection,
    function: Callable[[DataConfig, Say], Preview],
    config: DataConfig,
    say: Say,
) -> None:
    try:
        connection.send(function(config, say))
    except SweeperError as error:
        connection.send(error)
    except KeyboardInterrupt:
        pass  # The parent is interrupted as well.
    except Exception as error:
        # Across processes an error loses its traceback.
        error.add_note(traceback.format_exc())
        connection.send(error)
