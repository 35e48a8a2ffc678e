"""`model_card.md`: what an exported model is, what its figures are worth, and its limits.

After Mitchell et al. (2019), "Model cards for model reporting".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import OmegaConf

from sweeper.common.errors import OutputError
from sweeper.results.clustered_tests import interval_over_users
from sweeper.results.confirmation import ConfirmationResults
from sweeper.results.confirmation_loading import has_confirmation
from sweeper.results.confirmation_text import confirmed_text, test_rows_label
from sweeper.results.formatting import count, metric_label, number
from sweeper.results.scored_rows import both_metrics, hits, read_ranks
from sweeper.serving.approximate_index import index_words
from sweeper.serving.input_names import EXCLUDE, GAP, HISTORY, UNKNOWN_HISTORY, UNSEEN, K
from sweeper.serving.source_trial import SourceTrial
from sweeper.serving.tables import kind_of
from sweeper.study.outputs.leaderboard import best_of
from sweeper.two_tower import record as records
from sweeper.two_tower.config import TIMED_KINDS, baseline_name, to_dictionary
from sweeper.two_tower.model.features import SequenceFeature
from sweeper.two_tower.record import Metrics, TrialRecord
from sweeper.two_tower.trial.result_tables import SEEN, data_lines, seen_by

if TYPE_CHECKING:
    from sweeper.serving.query_tower import QueryInputs
    from sweeper.serving.retrained import Retraining

CARD = "model_card.md"


def model_card(
    chosen: SourceTrial,
    retraining: Retraining,
    inputs: QueryInputs,
    difference: str | None,
    index: dict[str, Any] | None,
    left_out: str | None,
) -> str:
    """The whole document, in Markdown.

    Args:
      inputs: of the signatures.
      difference: how the retrained model's metrics differ from the record's; None: they don't.
      index: as `Manifest.index`.
      left_out: why the candidate tower is not exported; None: it is.
    """
    sections = {
        "Data": _data(chosen.record, retraining),
        "Inputs": _inputs(inputs, retraining),
        "Training": _training(chosen, retraining, difference),
        "Figures": _figures(chosen, retraining),
        "Confirmed figures": _confirmed(chosen),
        "Limits": _limits(retraining, inputs, index, left_out),
        "Configuration": _configuration(retraining),
    }
    parts = [f"# Model card: {chosen.name}", _opening(chosen, retraining, inputs)]
    for title, texts in sections.items():
        parts += [f"## {title}", *texts]
    return "\n\n".join(parts) + "\n"


def _opening(chosen: SourceTrial, retraining: Retraining, inputs: QueryInputs) -> str:
    data = retraining.interactions
    whom = "For a user"
    if inputs.history is not None:
        whom = "It reads what was chosen before. For such a history"
        if inputs.user is not None:
            whom += ", and its user,"
    return (
        f"A two-tower retrieval model of sweeper: {chosen.words}. {whom} it scores each of "
        f"{data.num_items:,} candidates (`{data.item_column}`); meant to propose what a user may "
        "choose next, not to predict ratings."
    )


def _data(record: TrialRecord, retraining: Retraining) -> Iterator[str]:
    data = retraining.interactions
    # They may have been scored since, by a confirmation, or be among the rows trained on now.
    (_, source), *others = data_lines(record, unscored="were not scored")
    yield _list(
        [
            f"Source: {source}",
            f"Fingerprint (SHA-256 of the contents): `{data.fingerprint}`",
            *(f"{topic.capitalize()}: {text}" for topic, text in others),
        ]
    )


def _inputs(inputs: QueryInputs, retraining: Retraining) -> Iterator[str]:
    kinds = {"string": "a string", "strings": "strings", "number": "a number"}
    if inputs.columns:
        yield (
            "A request gives each column of the data by the name that its input has in the "
            "signatures."
        )
        yield _table(
            ["column of the data", "name of the input", "value"],
            [
                [_cell(name), f"`{inputs.names[name]}`", kinds[kind_of(column)]]
                for name, column in inputs.columns.items()
            ],
        )
    yield from _inputs_of_past(inputs, retraining)


def _inputs_of_past(inputs: QueryInputs, retraining: Retraining) -> Iterator[str]:
    """What a request tells of what was done before."""
    item_column = retraining.interactions.item_column
    if inputs.history is not None:
        lengths = [
            feature.settings.max_length
            for feature in retraining.training.encoded.query_features
            if isinstance(feature, SequenceFeature)
        ]
        read = f" The model reads the last {max(lengths):,} known values." if lengths else ""
        of_user = ", nor what the request's user has in any row of the data" if inputs.user else ""
        only = "" if inputs.columns or GAP in inputs.reads else ", and needs nothing else"
        yield (
            f"A request gives `{HISTORY}`, what was chosen before as values of `{item_column}`, "
            f"the most recent one last, of any length{only}.{read} Values that the catalogue lacks "
            f"are left out and counted in the answer's `{UNKNOWN_HISTORY}`; an empty history has "
            "the answer where nothing was chosen before. What the history holds is not recommended "
            f"by `{UNSEEN}`{of_user}."
        )
    if inputs.reads_length:
        yield (
            "The model goes by the length of a history, too. The number of known values in the "
            "request is the length, whatever the user has chosen besides: a request with the last "
            "few values alone looks like a new user's, so send the whole history."
        )
    bias = retraining.training.model.seen_bias
    if bias is not None:
        yield (
            f"The model adds {float(bias.numpy()):.4f} to the score of each candidate that the "
            "history holds: the product of the embeddings (`query_tower/`) is without it."
        )
    if GAP in inputs.reads:
        yield (
            f"`{GAP}` is the time from the user's last row to now; NaN where there is none, or it "
            "is not known."
        )
    if inputs.history is not None:
        yield f"```python\n{_request(inputs, retraining)}```"


def _request(inputs: QueryInputs, retraining: Retraining) -> str:
    """A program that asks the SavedModel, to be run where the export lies."""
    titles = retraining.interactions.item_names[:2]
    values = {"string": '[""]', "strings": '[[""]]', "number": '[float("nan")], tf.float64'}
    arguments = {
        inputs.names[name]: values[kind_of(column)] for name, column in inputs.columns.items()
    }
    arguments[HISTORY] = json.dumps([titles], ensure_ascii=False)
    if GAP in inputs.reads:
        arguments[GAP] = "[3600.0], tf.float64"
    arguments |= {EXCLUDE: '[[""]]', K: str(min(10, retraining.interactions.num_items))}
    lines = [f"    {name}=tf.constant({value}),\n" for name, value in arguments.items()]
    return (
        "import tensorflow as tf\n\n"
        'model = tf.saved_model.load(".")\n'
        f'answer = model.signatures["{UNSEEN}"](\n{"".join(lines)})\n'
        'print([title.decode() for title in answer["titles"].numpy()[0]])\n'
    )


def _training(chosen: SourceTrial, retraining: Retraining, difference: str | None) -> Iterator[str]:
    record = chosen.record
    rows, epochs = len(retraining.rows), retraining.config.train.epochs
    if retraining.is_on_all_rows:
        yield (
            f"The exported model was trained on all {rows:,} rows, test rows included, for "
            f"{count(epochs, 'epoch')}. **No row is left to score it on: the figures below are "
            "those of the same configuration trained on the training rows alone.**"
        )
    else:
        yield (
            f"The exported model was trained again on the trial's {rows:,} training rows; its "
            f"weights are those of epoch {record.best_epoch}."
        )
        yield (
            "Its metrics are those of the record, to the last bit."
            if difference is None
            else f"**{difference}. The figures below are the exported model's own.**"
        )
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    yield f"{record.num_parameters or 0:,} parameters. Recorded with {versions}."


def _figures(chosen: SourceTrial, retraining: Retraining) -> Iterator[str]:
    record, metrics = chosen.record, retraining.metrics or chosen.record.metrics
    whose = "the recorded model" if retraining.is_on_all_rows else "this model"
    for rows, scored in metrics.items():
        intervals = _intervals(chosen, rows) if scored == record.metrics[rows] else {}
        baselines = {name: parts[rows] for name, parts in record.baselines.items() if rows in parts}
        names = [baseline_name(name) for name in baselines]
        table = [
            [
                metric_label(metric),
                number(value),
                intervals.get(metric, "–"),
                *(number(each.get(metric)) for each in baselines.values()),
            ]
            for metric, value in scored.items()
        ]
        scale = f"On {record.data['rows'][rows]:,} {rows} rows"
        yield f"{scale} (95 % intervals: had other users been asked):"
        yield _table(["metric", whose, "95 % interval", *names], table)
        if text := _best_baseline(record.config["evaluation"]["metric"], scored, baselines):
            yield f"{text} {whose}."
    yield f"Seen-filtered metrics leave out {SEEN[seen_by(record.config)]}."
    best = chosen.results.best
    if best and chosen.trial == best.number and "validation" in metrics:
        yield (
            f"The trial was chosen by validation rows out of "
            f"{count(len(chosen.results.rows), 'trial')}: its figure on these is the largest of "
            "many, and partly luck."
        )


def _best_baseline(metric: str, scored: Metrics, baselines: Mapping[str, Metrics]) -> str:
    """How far the best baseline by a metric is from the model, up to its name; "" without one."""
    theirs = {name: each[metric] for name, each in baselines.items() if metric in each}
    name = best_of(theirs)
    if name is None or metric not in scored:
        return ""
    gap = scored[metric] - theirs[name]
    beside = f"{number(abs(gap))} {'below' if gap > 0 else 'above'}" if gap else "no different from"
    return (
        f"The best baseline by {metric_label(metric)} is {baseline_name(name)} "
        f"({number(theirs[name])}): {beside}"
    )


def _intervals(chosen: SourceTrial, rows: str) -> dict[str, str]:
    """By metric, of the recorded rows; empty where the trial kept none."""
    texts = {}
    with suppress(OutputError):
        ranks = read_ranks(chosen.directory / records.ROWS[rows])
        for metric in chosen.record.metrics[rows]:
            interval = interval_over_users(hits(ranks, metric), np.asarray(ranks["user"]))
            if interval:
                texts[metric] = " to ".join(map(number, interval))
    return texts


def _confirmed(chosen: SourceTrial) -> Iterator[str]:
    confirmation, name = chosen.results.confirmation, f"trial_{chosen.trial}"
    if confirmation is None and has_confirmation(chosen.results.directory):
        yield "None that can be read: the study's confirmation is damaged, or of another version."
        return
    if confirmation is not None and not confirmation.is_complete:
        yield (
            "None yet: the study's confirmation has no seed that all its configurations were "
            "trained with."
        )
        return
    if confirmation is None:
        yield (
            "None: this configuration was not trained anew with fresh seeds, on rows that chose "
            "nothing. The figures above are one training's; expect less where it was chosen "
            "for them. `study.confirm.best=3` confirms a study's best."
        )
        return
    if name not in confirmation.names:
        confirmed = ", ".join(confirmation.names)
        yield f"None of this trial: the study's confirmation is of {confirmed}."
        return
    yield confirmed_text(chosen.results, confirmation)
    metrics = both_metrics(chosen.results.confirmed_metric)
    yield _table(
        ["accuracy", "rows", "mean", "95 % interval", "seeds"],
        list(_summaries(confirmation, name, metrics)),
    )


def _summaries(
    confirmation: ConfirmationResults, name: str, metrics: Sequence[str]
) -> Iterator[list[str]]:
    for metric in metrics:
        for fresh in (False, True):
            if not (confirmation.fresh if fresh else confirmation.own):
                continue
            summary = confirmation.summary(name, metric, fresh)
            if summary:
                interval = " to ".join(map(number, summary.interval)) if summary.interval else "–"
                yield [
                    metric_label(metric),
                    test_rows_label(confirmation, fresh),
                    number(summary.mean),
                    interval,
                    str(summary.number),
                ]


def _limits(
    retraining: Retraining,
    inputs: QueryInputs,
    index: dict[str, Any] | None,
    left_out: str | None,
) -> Iterator[str]:
    config, data = retraining.config, retraining.interactions
    seen = len(np.unique(data.users[retraining.rows]))
    newer = (
        f"A newer catalogue needs another training: the candidate tower is left out, as {left_out}"
        if left_out
        else "`python -m sweeper.embed` embeds a newer catalogue without training"
    )
    yield _list(
        [
            *_limits_of_time(retraining),
            *([f"Index, {index_words(index)}. The SavedModel searches exactly."] if index else []),
            *_limits_of_users(seen, inputs),
            f"Candidates: the {data.num_items:,} of the data. {newer}. An item without training "
            "rows is scored by the features that it shares with others, if any.",
            "What was chosen is not what was liked: the model learns what users choose, with "
            "all that made them choose it, popularity and earlier proposals included.",
            *_limits_of_source(config.data.name),
        ]
    )


def _limits_of_users(seen: int, inputs: QueryInputs) -> Iterator[str]:
    """`seen`: how many users have training rows."""
    if inputs.history is not None and inputs.user is None:
        yield (
            f"Users: the model sees no user, and was trained on histories of {seen:,}. Anybody "
            "gets an answer by what was chosen before; where nothing was, all get the same."
        )
        return
    yield (
        f"Users: {seen:,} have training rows. Any other, and an empty id, gets an unknown "
        "user's answer, which no training row has shaped where a feature has no such value."
    )


def _limits_of_time(retraining: Retraining) -> Iterator[str]:
    config, times = retraining.config, retraining.interactions.timestamps
    column = config.data.columns.timestamp
    sees_time = any(
        feature.column == column and feature.kind not in TIMED_KINDS
        for feature in config.features.query
    )
    if sees_time and config.data.split == "random":
        yield (
            f"Time: the query tower sees `{column}`, and the rows were split at random. A row's "
            "time tells its session, which training rows share; a query of now has no such rows "
            "beside it. Expect less in use than the figures say; `data.split=temporal` measures it."
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
        yield "Data: made up. Its figures tell nothing of real users."
    else:
        yield (
            "Licence: this export holds user ids and what each has chosen (`users.parquet`, and "
            "the model's own tables); whoever gets it gets these."
        )


def _configuration(retraining: Retraining) -> Iterator[str]:
    text = OmegaConf.to_yaml(OmegaConf.create(to_dictionary(retraining.config)))
    yield f"```yaml\n{text}```"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _cell(text: str) -> str:
    """Any text in a cell of a table, without a meaning in Markdown or HTML."""
    escaped = re.sub(r"([\\`*{}\[\]<>|#~$&])", r"\\\1", text)
    return " ".join(escaped.split())


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
