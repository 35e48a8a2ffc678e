"""Describes how a newer catalogue differs, for the manifest, the terminal and the model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeper.serving.index import index_text
from sweeper.serving.manifest import Manifest
from sweeper.two_tower.config import Config

# The manifest lists the ids of at most this many new or gone items.
MAX_LISTED = 1_000
_CATALOGUE, _MODEL = "## Catalogue of this version\n\n", "## Model\n\n"


def catalogue_changes(
    before: Sequence[str],
    items: Sequence[str],
    config: Config,
    item_column: str,
    **more: Any,
) -> dict[str, Any]:
    """Compares two catalogues by the items' ids; returns what `Manifest.catalogue` holds.

    Args:
      before, items: the ids of the old catalogue, and of the newer one.
      config: of the model.
      item_column: the name of the column of ids.
      more: further keys of the result: `of`, the version whose model embedded the items; `source`,
        the file that they were read from; `known_ids`, how many ids the model was trained with
        (None if it reads no ids); `unknown_words`, how many words the old catalogue lacks, by
        column; `dropped_seen`, how many items that users had seen are gone.

    Returns:
      `more`, and `items`, `new` and `gone`, numbers; `new_items` and `gone_items`, their ids, or
      None for more than `MAX_LISTED`; `reads_ids_alone`, whether the model has the same embedding
      for all new items.
    """
    old, now = set(before), set(items)
    new = [item for item in items if item not in old]
    gone = [item for item in before if item not in now]
    return {
        "items": len(items),
        "new": len(new),
        "gone": len(gone),
        "new_items": new if len(new) <= MAX_LISTED else None,
        "gone_items": gone if len(gone) <= MAX_LISTED else None,
        "reads_ids_alone": all(
            (each.column, each.kind) == (item_column, "embedding")
            for each in config.features.candidate
        ),
        **more,
    }


def change_lines(changes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (topic, text) about a newer catalogue."""
    yield (
        "items",
        f"{changes['items']:,} items, read from {changes['source']}: {changes['new']:,} are new, "
        f"{changes['gone']:,} of version {changes['of']} are gone and no longer recommended",
    )
    if changes["new"] and changes["reads_ids_alone"]:
        yield (
            "problem",
            "the candidate tower reads only ids, so all items that it was not trained with have "
            "the same embedding; train with other features (features.candidate) to distinguish "
            "them",
        )
    elif changes["known_ids"] is not None and changes["known_ids"] < changes["items"]:
        yield (
            "ids",
            f"the model was trained with the ids of {changes['known_ids']:,} of them; the others "
            "have an unknown id, and are distinguished by their other columns",
        )
    for name, number in changes["unknown_words"].items():
        yield (
            "words",
            f"{name}: {number:,} different words are not in the catalogue of version "
            f"{changes['of']}, and unknown to the model",
        )
    if changes["dropped_seen"]:
        yield (
            "seen",
            f"{changes['dropped_seen']:,} entries of what users have seen were dropped, since "
            "their items are gone",
        )


def newer_card(card: str, manifest: Manifest) -> str:
    """Writes the model card of a version with a newer catalogue, in Markdown.

    Args:
      card: of the version whose model embedded it.
      manifest: of the new version.
    """
    assert manifest.catalogue is not None
    title, _, rest = card.partition("\n\n")
    if rest.startswith(_CATALOGUE):
        rest = rest.partition(_MODEL)[2]
    of = manifest.catalogue["of"]
    opening = (
        f"This version has the model of version {of}, which was not trained again, and a newer "
        f"catalogue, embedded by sweeper {manifest.sweeper_version} on {manifest.created[:10]}. "
        f"**Everything below describes version {of}: its metrics were measured with the old "
        "catalogue.**"
    )
    lines = [text for _, text in change_lines(manifest.catalogue)]
    if manifest.index is not None:
        lines.append(f"index, {index_text(manifest.index)}. The SavedModel searches exactly")
    listed = "\n".join(f"- {line[0].upper()}{line[1:]}." for line in lines)
    return f"{title}\n\n{_CATALOGUE}{opening}\n\n{listed}\n\n{_MODEL}{rest}"
