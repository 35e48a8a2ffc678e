"""Writes `model_card.md`: what an exported model is, its metrics, and its limits.

After Mitchell et al. (2019), "Model cards for model reporting".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import OmegaConf

from sweeper.results.formatting import count, markdown_table
from sweeper.serving.index import index_text
from sweeper.serving.input_names import EXCLUDE, GAP, HISTORY, UNKNOWN_HISTORY, UNSEEN, K
from sweeper.serving.model_card_metrics import confirmed_section, metrics_section
from sweeper.serving.source_trial import SourceTrial
from sweeper.serving.tables import kind_of
from sweeper.two_tower.config import TIMED_KINDS, to_dictionary
from sweeper.two_tower.model.features import SequenceFeature
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import data_lines

if TYPE_CHECKING:
    from sweeper.serving.query_tower import QueryInputs
    from sweeper.serving.retrained_model import RetrainedModel

CARD = "model_card.md"


def model_card(
    source: SourceTrial,
    retrained: RetrainedModel,
    inputs: QueryInputs,
    difference: str | None,
    index: dict[str, Any] | None,
    no_tower_reason: str | None,
) -> str:
    """Returns the whole document, in Markdown.

    Args:
      inputs: of the signatures.
      difference: how the retrained model's metrics differ from the record's; None if they don't.
      index: `Manifest.index`.
      no_tower_reason: why the candidate tower is not exported; None if it is.
    """
    sections = {
        "Data": _data(source.record, retrained),
        "Inputs": _inputs(inputs, retrained),
        "Training": _training(source, retrained, difference),
        "Metrics": metrics_section(source, retrained),
        "Confirmed metrics": confirmed_section(source),
        "Limits": _limits(retrained, inputs, index, no_tower_reason),
        "Configuration": _configuration(retrained),
    }
    parts = [f"# Model card: {source.name}", _introduction(source, retrained, inputs)]
    for title, texts in sections.items():
        parts += [f"## {title}", *texts]
    return "\n\n".join(parts) + "\n"


def _introduction(source: SourceTrial, retrained: RetrainedModel, inputs: QueryInputs) -> str:
    data = retrained.interactions
    whom = "For a user"
    if inputs.history is not None:
        whom = "It reads what was chosen before. For such a history"
        if inputs.user is not None:
            whom += ", and its user,"
    return (
        f"A two-tower retrieval model of sweeper: {source.description}. {whom} it scores each of "
        f"{data.num_items:,} candidates (`{data.item_column}`). It is meant to propose what a user "
        "may choose next, not to predict ratings."
    )


def _data(record: TrialRecord, retrained: RetrainedModel) -> Iterator[str]:
    data = retrained.interactions
    # A confirmation may have scored these rows since, or the export may train on them.
    (_, data_source), *others = data_lines(record, unscored="were not scored")
    yield _list(
        [
            f"Source: {data_source}",
            f"Fingerprint (SHA-256 of the contents): `{data.fingerprint}`",
            *(f"{topic.capitalize()}: {text}" for topic, text in others),
        ]
    )


def _inputs(inputs: QueryInputs, retrained: RetrainedModel) -> Iterator[str]:
    kinds = {"string": "a string", "strings": "strings", "number": "a number"}
    if inputs.columns:
        yield ("A request names each column of the data as its input is named in the signatures.")
        yield markdown_table(
            ["column of the data", "name of the input", "value"],
            [
                [_cell(name), f"`{inputs.names[name]}`", kinds[kind_of(column)]]
                for name, column in inputs.columns.items()
            ],
        )
    yield from _history_inputs(inputs, retrained)


def _history_inputs(inputs: QueryInputs, retrained: RetrainedModel) -> Iterator[str]:
    """Describes the inputs of a user's history."""
    item_column = retrained.interactions.item_column
    if inputs.history is not None:
        lengths = [
            feature.settings.max_length
            for feature in retrained.training.encoded.query_features
            if isinstance(feature, SequenceFeature)
        ]
        read = f" The model reads the last {max(lengths):,} known values." if lengths else ""
        of_user = ", nor what the request's user has in any row of the data" if inputs.user else ""
        only = "" if inputs.columns or GAP in inputs.reads else ", and needs nothing else"
        yield (
            f"A request gives `{HISTORY}`, what was chosen before as values of `{item_column}`, "
            f"the most recent one last, of any length{only}.{read} Values that the catalogue lacks "
            f"are left out and counted in the answer's `{UNKNOWN_HISTORY}`. An empty history gets "
            "the answer for a user who has chosen nothing. What the history holds is not "
            f"recommended by `{UNSEEN}`{of_user}."
        )
    if inputs.reads_length:
        yield (
            "The model also reads the length of a history. The number of known values in the "
            "request is the length: a request with only the last few values looks like one of a "
            "new user, so send the whole history."
        )
    bias = retrained.training.model.seen_bias
    if bias is not None:
        yield (
            f"The model adds {float(bias.numpy()):.4f} to the score of each candidate in the "
            "history; the product of the embeddings (`query_tower/`) does not include it."
        )
    if GAP in inputs.reads:
        yield (
            f"`{GAP}` is the time from the user's last row to now; NaN if there is no such row, or "
            "if the time is not known."
        )
    if inputs.history is not None:
        yield f"```python\n{_request(inputs, retrained)}```"


def _request(inputs: QueryInputs, retrained: RetrainedModel) -> str:
    """Returns a program that asks the SavedModel, to be run in the export's directory."""
    titles = retrained.interactions.item_names[:2]
    values = {"string": '[""]', "strings": '[[""]]', "number": '[float("nan")], tf.float64'}
    arguments = {
        inputs.names[name]: values[kind_of(column)] for name, column in inputs.columns.items()
    }
    arguments[HISTORY] = json.dumps([titles], ensure_ascii=False)
    if GAP in inputs.reads:
        arguments[GAP] = "[3600.0], tf.float64"
    arguments |= {EXCLUDE: '[[""]]', K: str(min(10, retrained.interactions.num_items))}
    lines = [f"    {name}=tf.constant({value}),\n" for name, value in arguments.items()]
    return (
        "import tensorflow as tf\n\n"
        'model = tf.saved_model.load(".")\n'
        f'answer = model.signatures["{UNSEEN}"](\n{"".join(lines)})\n'
        'print([title.decode() for title in answer["titles"].numpy()[0]])\n'
    )


def _training(
    source: SourceTrial, retrained: RetrainedModel, difference: str | None
) -> Iterator[str]:
    record = source.record
    rows, epochs = len(retrained.rows), retrained.config.train.epochs
    if retrained.is_on_all_rows:
        yield (
            f"The exported model was trained on all {rows:,} rows, test rows included, for "
            f"{count(epochs, 'epoch')}. **No row is left to score it on: the metrics below are "
            "those of the same configuration, trained on the training rows only.**"
        )
    else:
        yield (
            f"The exported model was trained again on the trial's {rows:,} training rows; its "
            f"weights are those of epoch {record.best_epoch}."
        )
        yield (
            "Its metrics are those of the record, to the last bit."
            if difference is None
            else f"**{difference}. The metrics below are those of the exported model.**"
        )
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    yield f"{record.num_parameters or 0:,} parameters. Recorded with {versions}."


def _limits(
    retrained: RetrainedModel,
    inputs: QueryInputs,
    index: dict[str, Any] | None,
    no_tower_reason: str | None,
) -> Iterator[str]:
    config, data = retrained.config, retrained.interactions
    seen = len(np.unique(data.users[retrained.rows]))
    newer = (
        f"A newer catalogue needs another training: the candidate tower is left out, as "
        f"{no_tower_reason}"
        if no_tower_reason
        else "`python -m sweeper.embed` embeds a newer catalogue without training"
    )
    yield _list(
        [
            *_limits_of_time(retrained),
            *([f"Index, {index_text(index)}. The SavedModel searches exactly."] if index else []),
            *_limits_of_users(seen, inputs),
            f"Candidates: the {data.num_items:,} of the data. {newer}. An item without training "
            "rows is scored by the features that it shares with others, if any.",
            "What was chosen is not what was liked: the model learns what users choose, for "
            "whatever reason, including popularity and earlier proposals.",
            *_limits_of_source(config.data.name),
        ]
    )


def _limits_of_users(seen: int, inputs: QueryInputs) -> Iterator[str]:
    """Yields the limits for users; `seen` is the number of users with training rows."""
    if inputs.history is not None and inputs.user is None:
        yield (
            f"Users: the model reads no user ids, and was trained on histories of {seen:,} users. "
            "Everybody gets an answer by what they have chosen; without a history all get the same."
        )
        return
    yield (
        f"Users: {seen:,} have training rows. Any other, and an empty id, gets an unknown "
        "user's answer, which no training row has shaped where a feature has no such value."
    )


def _limits_of_time(retrained: RetrainedModel) -> Iterator[str]:
    config, times = retrained.config, retrained.interactions.timestamps
    column = config.data.columns.timestamp
    sees_time = any(
        feature.column == column and feature.kind not in TIMED_KINDS
        for feature in config.features.query
    )
    if sees_time and config.data.split == "random":
        yield (
            f"Time: the query tower sees `{column}`, and the rows were split at random. A row's "
            "time identifies its session, which training rows share; a query made now has no "
            "such rows. Expect less in use than the metrics say; `data.split=temporal` measures it."
        )
    elif config.data.split == "random" and times is not None:
        yield (
            "Time: the rows were split at random, so that the training rows are partly later than "
            "those scored; `data.split=temporal` measures what a model knows of the future."
        )


def _limits_of_source(name: str) -> Iterator[str]:
    if name.startswith("movielens"):
        yield (
            "Licence: MovieLens may be used for research, may not be redistributed, and not be "
            "used commercially without GroupLens's permission. `users.parquet` and "
            "`candidates.parquet`, and the model's own tables of what users have seen, are made "
            "of it."
        )
    elif name == "synthetic":
        yield "Data: synthetic. Its metrics say nothing about real users."
    else:
        yield (
            "Licence: this export holds user ids and what each has chosen (`users.parquet`, and "
            "the model's own tables); whoever gets it gets these."
        )


def _configuration(retrained: RetrainedModel) -> Iterator[str]:
    text = OmegaConf.to_yaml(OmegaConf.create(to_dictionary(retrained.config)))
    yield f"```yaml\n{text}```"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _cell(text: str) -> str:
    """Escapes a text for a cell of a table in Markdown."""
    escaped = re.sub(r"([\\`*{}\[\]<>|#~$&])", r"\\\1", text)
    return " ".join(escaped.split())
