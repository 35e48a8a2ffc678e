"""No drift where a model reads histories: a request of titles has the evaluation's ranks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from served_models import ITEMS, TRAIN, Served, config_of, padded, past_config, serve, timed
from test_served_ranks import embeddings_of, ranks_in, scores_of

from sweeper.serving.model_card import _limits_of_time
from sweeper.serving.query_tower import QueryInputs
from sweeper.serving.signatures import signatures
from sweeper.two_tower.config import SEQUENCE_ENCODERS, FeatureConfig, ModelConfig, SequenceConfig
from sweeper.two_tower.evaluation.ranking import SeenItems
from sweeper.two_tower.model.two_tower import encode_features

LOWEST = np.finfo(np.float32).min


def assert_same_answers(served: Served) -> None:
    """Embeddings to the last bit, and ranks; `unseen` is all but the history.

    A request that names the user leaves out all that the user has in the data, the row's own
    title included, so that its rank is not looked for.
    """
    np.testing.assert_array_equal(*embeddings_of(served))
    scores = scores_of(served, "serving_default")
    np.testing.assert_array_equal(ranks_in(scores, served.task.items), served.ranks.unfiltered)
    unseen = scores_of(served, "unseen", exclude=tf.fill([len(served.rows), 0], ""))
    history = np.zeros(scores.shape, bool)
    history[served.task.seen_by(0, len(served.rows))] = True
    if any(each.column == "user_id" and each.kind == "embedding"
           for each in served.config.features.query):  # fmt: skip
        data = served.interactions
        sizes = data.num_users, data.num_items
        history[SeenItems.from_rows(data.users, data.items, *sizes).of(served.task.users)] = True
    np.testing.assert_array_equal(np.isnan(unseen), history)
    np.testing.assert_array_equal(unseen[~history], scores[~history])
    is_shown = ~history[np.arange(len(served.rows)), served.task.items]
    np.testing.assert_array_equal(
        ranks_in(unseen, served.task.items)[is_shown], served.ranks.seen_filtered[is_shown]
    )


@pytest.mark.parametrize("encoder", SEQUENCE_ENCODERS)
def test_each_encoder_has_the_evaluations_ranks(encoder: str, tmp_path: Path) -> None:
    sequence = SequenceConfig(max_length=4, encoder=encoder)
    # Beside one that knows the user, one that is asked by the history alone; the titles' vectors
    # are shared with the candidate tower, and those of their words are not.
    sees_user = encoder in ("mean", "gru")
    config = past_config("titles", "words", *(["embedding", "word"] if sees_user else []),
                         sequence=sequence)  # fmt: skip
    words = replace(config.features.query[1], encoder=encoder, share_with_candidates=False)
    config.features.query[1] = words
    config = replace(config, model=replace(config.model, seen_bias=encoder == "recency"))

    def repeats(model: tf.keras.Model) -> None:
        if model.seen_bias is not None:
            model.seen_bias.assign(0.5)

    served = serve(tmp_path, config, repeats)
    assert_same_answers(served)
    inputs = set(served.signatures["unseen"].structured_input_signature[1])
    assert inputs == {"history", "k", "exclude"} | ({"user_id", "mood"} if sees_user else set())


DEEP = ModelConfig(layer_sizes=[8, 4], activation="gelu", dropout=0.2)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Several sequences of other lengths, columns and encoders, and numbers beside them."""
    place = tmp_path_factory.mktemp("served")
    kinds = ("titles", "words", "genres", "gap", "length")
    sequence = SequenceConfig(max_length=7, encoder="self_attention")
    return serve(place, past_config(*kinds, model=DEEP, sequence=sequence))


def test_all_that_is_read_at_once_has_the_evaluations_ranks(served: Served) -> None:
    assert_same_answers(served)
    # The rows try what is to be tried.
    lengths = served.histories.lengths(served.rows)
    assert (lengths == 0).any()
    assert (lengths > 7).any()
    gaps = served.inputs()["seconds_since_last"].numpy()
    assert np.isnan(gaps).any()
    assert (gaps == 0).any()
    trained = set(served.interactions.items[:TRAIN])
    assert not set(served.histories.items) <= trained


def asked(served: Served, histories: list[list[str]], signature: str = "unseen") -> Any:
    seconds = tf.fill([len(histories)], tf.constant(60.0, tf.float64))
    more = {"exclude": tf.fill([len(histories), 0], "")} if signature == "unseen" else {}
    answer = served.signatures[signature](
        history=padded(histories), seconds_since_last=seconds, k=tf.constant(ITEMS), **more
    )
    return {name: value.numpy() for name, value in answer.items()}


def test_padding_and_unknown_titles_change_nothing_and_are_counted(served: Served) -> None:
    a, b, c = served.titles[3], served.titles[11], served.titles[ITEMS - 2]
    answer = asked(
        served,
        [
            [a, b, c],
            ["", a, "", b, c, "", ""],
            ["no such", a, b, "none", c, "none either"],
            [c, b, a],
            ["no such"] * 9 + [a, b, c],
        ],
    )
    assert answer["unknown_history"].tolist() == [0, 0, 3, 0, 9]
    for row in (1, 2, 4):
        assert answer["titles"][row].tolist() == answer["titles"][0].tolist()
        np.testing.assert_array_equal(answer["scores"][row], answer["scores"][0])
    assert answer["scores"][3].tolist() != answer["scores"][0].tolist()
    assert not {title.encode() for title in (a, b, c)} & set(answer["titles"][0])
    assert answer["titles"][0].tolist()[-3:] == [b"", b"", b""]


def test_nothing_known_is_answered_as_a_row_without_earlier_rows(served: Served) -> None:
    """Whether the history is 0 wide, padding alone, or of unknown titles alone."""
    rows = served.rows[served.histories.lengths(served.rows) == 0][:1]
    cold = served.signatures["serving_default"](k=tf.constant(ITEMS), **served.inputs(rows))
    for history in ([], ["", ""], ["no such", ""]):
        answer = served.signatures["serving_default"](
            history=padded([history]),
            seconds_since_last=tf.constant([np.nan], tf.float64),
            k=tf.constant(ITEMS),
        )
        np.testing.assert_array_equal(answer["titles"].numpy(), cold["titles"].numpy())
        np.testing.assert_array_equal(answer["scores"].numpy(), cold["scores"].numpy())


def test_a_number_of_rows_that_differs_is_refused_by_name(served: Served) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="seconds_since_last: must have as"):
        served.signatures["serving_default"](
            history=padded([["a"]]), seconds_since_last=tf.constant([1.0, 2.0], tf.float64),
            k=tf.constant(1),
        )  # fmt: skip


def test_the_query_tower_alone_counts_unknown_titles_too(served: Served) -> None:
    tower = tf.saved_model.load(str(served.directory / "query_tower"))
    seconds = tf.constant([1.0], tf.float64)
    answer = tower.signatures["serving_default"](
        history=padded([["?", served.titles[1]]]), seconds_since_last=seconds
    )
    assert answer["unknown_history"].numpy().tolist() == [1]


def test_titles_that_nothing_tells_apart_are_tied_alike(tmp_path: Path) -> None:
    config = past_config("few_titles", "length")
    config.features.candidate = [FeatureConfig("genres", "embedding")]
    config.features.sequence.share_with_candidates = False
    served = serve(tmp_path, config)
    assert served.ranks.unfiltered.min() >= 1
    assert_same_answers(served)


@pytest.mark.parametrize(
    ("kinds", "inputs"),
    [
        (("gap", "word"), ["user_id", "mood", "seconds_since_last"]),
        (("length", "word"), ["mood", "history"]),
        (("gap", "titles", "embedding"), ["user_id", "history", "seconds_since_last"]),
    ],
)
def test_a_request_has_what_the_features_read_and_a_user_where_one_is_needed(
    kinds: tuple[str, ...], inputs: list[str]
) -> None:
    """Without a history a user, by whom it is known what was seen."""
    config, data = past_config(*kinds), timed()
    encoded = encode_features(config, data, np.arange(TRAIN))
    assert list(QueryInputs(config, data, encoded).specs) == inputs


@pytest.mark.parametrize(("kinds", "is_told"), [(("titles", "length"), True), (("titles",), False)])
def test_a_request_is_told_what_the_length_of_its_history_is(
    kinds: tuple[str, ...], is_told: bool
) -> None:
    config, data = past_config(*kinds), timed()
    encoded = encode_features(config, data, np.arange(TRAIN))
    parts = signatures(QueryInputs(config, data, encoded), data.item_column, has_bias=False)
    words = "the number of known values in the request is the length of the history"
    assert (words in parts["unseen"]["inputs"]["history"]["is"]) == is_told


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("gap", "Time: the rows were split at random, so that the training rows are partly later"),
        ("normalized", "Time: the query tower sees `timestamp`, and the rows were split at random"),
    ],
)
def test_the_card_tells_a_time_gap_from_a_time_that_the_model_sees(kind: str, words: str) -> None:
    retrained = SimpleNamespace(config=config_of(kind), interactions=timed())
    (told,) = _limits_of_time(retrained)
    assert told.startswith(words)


def test_a_bias_on_what_was_seen_asks_for_a_history_whatever_the_features() -> None:
    config, data = past_config("word"), timed()
    config.model.seen_bias = True
    encoded = encode_features(config, data, np.arange(TRAIN))
    assert list(QueryInputs(config, data, encoded).specs) == ["mood", "history"]
