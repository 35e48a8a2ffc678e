"""No drift: what a saved model answers for the evaluation's rows has the evaluation's ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from served_models import ITEMS, QUERY, Served, config_of, serve

from sweeper.two_tower.config import FeatureConfig, ModelConfig
from sweeper.two_tower.data.columns import CategoricalColumn

DEEP = ModelConfig(layer_sizes=[8, 4], activation="gelu", dropout=0.2, input_dropout=0.1)


def scores_of(served: Served, signature: str, **more: Any) -> np.ndarray:
    """[rows, candidates] in the catalogue's order; NaN where a title is not in the answer."""
    answer = served.signatures[signature](k=tf.constant(ITEMS), **served.inputs(), **more)
    index = {title.encode(): place for place, title in enumerate(served.titles)}
    scores = np.full((len(served.rows), ITEMS), np.nan, np.float32)
    for row, (titles, values) in enumerate(
        zip(answer["titles"].numpy(), answer["scores"].numpy(), strict=True)
    ):
        for title, value in zip(titles, values, strict=True):
            if title:
                scores[row, index[title]] = value
            else:
                assert value == np.finfo(np.float32).min
    return scores


def ranks_in(scores: np.ndarray, items: np.ndarray) -> np.ndarray:
    """As the evaluation counts: others that score as high or higher."""
    own = scores[np.arange(len(items)), items]
    return (scores >= own[:, None]).sum(axis=1) - 1


def assert_same_ranks(served: Served) -> None:
    scores = scores_of(served, "serving_default")
    assert not np.isnan(scores).any()
    np.testing.assert_array_equal(ranks_in(scores, served.task.items), served.ranks.unfiltered)
    exclude = tf.fill([len(served.rows), 0], "")
    unseen = scores_of(served, "unseen", exclude=exclude)
    rows, seen = served.task.seen.of(served.task.users)
    is_seen = np.zeros(scores.shape, bool)
    is_seen[rows, seen] = True
    np.testing.assert_array_equal(np.isnan(unseen), is_seen)
    # What the user has in the training rows is never shown: also the row's own candidate.
    is_shown = ~is_seen[np.arange(len(served.rows)), served.task.items]
    assert is_shown.any()
    np.testing.assert_array_equal(served.ranks.is_repeat, ~is_shown)
    np.testing.assert_array_equal(
        ranks_in(unseen, served.task.items)[is_shown], served.ranks.seen_filtered[is_shown]
    )


@pytest.mark.parametrize("kind", QUERY)
def test_each_kind_of_feature_has_the_evaluations_ranks(kind: str, tmp_path: Path) -> None:
    assert_same_ranks(serve(tmp_path, config_of(kind)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A deep model with every kind of feature at once."""
    return serve(tmp_path_factory.mktemp("served"), config_of(*QUERY, model=DEEP))


def test_all_kinds_at_once_in_a_deep_model_have_the_evaluations_ranks(served: Served) -> None:
    assert_same_ranks(served)
    # The rows try what is to be tried: new users, an empty one, missing numbers, empty texts.
    columns = {name: values.numpy() for name, values in served.inputs().items()}
    known = set(served.interactions.users[:180])
    assert not set(served.task.users) <= known
    assert b"" in columns["user_id"]
    assert b"" in columns["mood"]
    assert np.isnan(columns["timestamp"]).any()
    assert np.isnan(columns["age"]).any()
    assert (columns["tags"] == b"").all(axis=1).any()


def test_unit_length_has_the_evaluations_ranks(tmp_path: Path) -> None:
    model = ModelConfig(layer_sizes=[], normalize_output=True)
    assert_same_ranks(serve(tmp_path, config_of("embedding", "history", model=model)))


def test_a_collapsed_model_scores_all_alike_and_ranks_last(tmp_path: Path) -> None:
    def collapse(model: tf.keras.Model) -> None:
        model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])

    served = serve(tmp_path, config_of("embedding", "normalized"), collapse)
    assert (served.ranks.unfiltered == ITEMS - 1).all()
    assert_same_ranks(served)


def test_titles_that_no_feature_tells_apart_are_tied_alike(tmp_path: Path) -> None:
    config = config_of("embedding", "buckets")
    config.features.candidate = [FeatureConfig("genres", "embedding")]
    served = serve(tmp_path, config)
    # Three genres of ten titles each: nobody's own title is above its nine equals.
    assert served.ranks.unfiltered.min() >= 9
    assert_same_ranks(served)


def embeddings_of(served: Served) -> tuple[np.ndarray, np.ndarray]:
    """Of the scored rows, by the saved query tower and by the evaluation."""
    tower = tf.saved_model.load(str(served.directory / "query_tower"))
    embedding = tower.signatures["serving_default"](**served.inputs())["embedding"]
    encoded = {
        name: tf.constant(value[served.rows])
        for name, value in served.training.encoded.query.items()
    }
    expected = served.training.model.embed_queries(encoded, training=False)
    return embedding.numpy(), expected.numpy()


def test_the_embeddings_are_those_of_the_evaluation_to_the_last_bit(served: Served) -> None:
    np.testing.assert_array_equal(*embeddings_of(served))


def test_layer_norm_is_the_same_but_for_rounding(tmp_path: Path) -> None:
    """TensorFlow computes it in another order where it doesn't know the number of rows."""
    model = ModelConfig(layer_sizes=[8, 4], layer_norm=True)
    embeddings = embeddings_of(serve(tmp_path, config_of("embedding", "numeric", model=model)))
    np.testing.assert_allclose(*embeddings, rtol=1e-4, atol=1e-6)


def test_one_row_at_a_time_has_the_same_scores_but_for_rounding(served: Served) -> None:
    loaded = served.signatures["serving_default"]
    together = loaded(k=tf.constant(3), **served.inputs())
    alone = [
        loaded(k=tf.constant(3), **served.inputs(served.rows[at : at + 1])) for at in range(20)
    ]
    scores = np.concatenate([each["scores"].numpy() for each in alone])
    np.testing.assert_allclose(scores, together["scores"].numpy()[:20], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("k", [1, 7, ITEMS])
def test_any_k_gives_the_first_k_of_all_best_first(served: Served, k: int) -> None:
    loaded = served.signatures["serving_default"]
    whole = loaded(k=tf.constant(ITEMS), **served.inputs())
    part = loaded(k=tf.constant(k), **served.inputs())
    assert part["titles"].shape == (len(served.rows), k)
    assert (part["titles"].numpy() == whole["titles"].numpy()[:, :k]).all()
    assert (np.diff(whole["scores"].numpy(), axis=1) <= 0).all()


@pytest.mark.parametrize("k", [0, -1, ITEMS + 1])
@pytest.mark.parametrize("signature", ["serving_default", "unseen"])
def test_a_k_that_cannot_be_is_refused_with_what_can(served: Served, k: int, signature: str):
    loaded = served.signatures[signature]
    more = {"exclude": tf.fill([len(served.rows), 0], "")} if signature == "unseen" else {}
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"k: must be from 1 to {ITEMS}"):
        loaded(k=tf.constant(k), **served.inputs(), **more)


def test_columns_of_other_lengths_are_refused_by_name(served: Served) -> None:
    loaded = served.signatures["serving_default"]
    inputs = served.inputs()
    inputs["age"] = inputs["age"][:-1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="age: must have as many rows as user"):
        loaded(k=tf.constant(1), **inputs)


def test_excluded_titles_are_left_out_and_others_than_candidates_ignored(served: Served) -> None:
    rows = served.rows[:2]
    loaded = served.signatures["unseen"]
    nothing = loaded(k=tf.constant(5), exclude=tf.fill([2, 0], ""), **served.inputs(rows))[
        "titles"
    ].numpy()
    first, second = nothing[0, 0], nothing[1, 1]
    exclude = tf.constant([[first, b"", b"no such title"], [second, first, b""]])
    found = loaded(k=tf.constant(5), exclude=exclude, **served.inputs(rows))["titles"].numpy()
    assert found[0].tolist()[:4] == nothing[0].tolist()[1:]
    assert second not in found[1]
    assert first not in found[1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="exclude: must have a row for each"):
        loaded(k=tf.constant(5), exclude=exclude[:1], **served.inputs(rows))


def test_where_too_few_are_left_the_end_is_empty_and_lowest(served: Served) -> None:
    loaded = served.signatures["unseen"]
    rows = served.rows[:1]
    exclude = tf.constant([[title.encode() for title in served.titles[1:]]])
    found = loaded(k=tf.constant(4), exclude=exclude, **served.inputs(rows))
    user = served.interactions.users[rows[0]]
    seen = served.interactions.items[:180][served.interactions.users[:180] == user]
    expected = [b"", b"", b"", b""] if 0 in seen else [served.titles[0].encode(), b"", b"", b""]
    assert found["titles"].numpy()[0].tolist() == expected
    assert (found["scores"].numpy()[0, 1:] == np.finfo(np.float32).min).all()


def test_an_unknown_user_has_seen_nothing(served: Served) -> None:
    users = served.interactions.query_columns["user_id"]
    assert isinstance(users, CategoricalColumn)
    inputs = served.inputs(served.rows[:1]) | {"user_id": tf.constant(["nobody"])}
    loaded = served.signatures
    unseen = loaded["unseen"](k=tf.constant(ITEMS), exclude=tf.fill([1, 0], ""), **inputs)
    default = loaded["serving_default"](k=tf.constant(ITEMS), **inputs)
    assert unseen["titles"].numpy().tolist() == default["titles"].numpy().tolist()


def test_what_fills_exclude_up_leaves_out_no_title_without_a_name(tmp_path: Path) -> None:
    """A candidate named "" is in each answer, whatever is excluded."""
    served = serve(tmp_path, config_of("embedding"), nameless=True)
    loaded = served.signatures["unseen"]
    inputs = {"user_id": tf.constant(["nobody"])}
    found = loaded(k=tf.constant(ITEMS), exclude=tf.constant([[""]]), **inputs)
    lowest = np.finfo(np.float32).min
    assert served.titles[0] == ""
    assert (found["scores"].numpy() > lowest).all()
