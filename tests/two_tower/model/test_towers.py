"""Lookups, towers and the two-tower model: shapes, initial values, gradients, dropout."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from small_trials import ids_features, skewed_interactions, small_config, tutorial_features

from sweeper.two_tower.config import ACTIVATIONS, FeaturesConfig, ModelConfig, TrainConfig
from sweeper.two_tower.model.embeddings import Embedding, dense_lookup
from sweeper.two_tower.model.feature_layers import feature_layer
from sweeper.two_tower.model.features import ListFeature, LookupFeature, ScaledFeature
from sweeper.two_tower.model.summary import layer_rows
from sweeper.two_tower.model.towers import Tower
from sweeper.two_tower.model.two_tower import build_model, encode_features

INTERACTIONS = skewed_interactions()

# 4 wide and 3 wide and a number: 8 in all.
FEATURES = [
    LookupFeature("user", ("a", "b", "c"), dim=4),
    ListFeature("words", ("x", "y"), dim=3, tokenize=False),
    ScaledFeature("age", mean=0.0, deviation=1.0, missing=0.0),
]
INPUTS = {
    "user": tf.constant([0, 1, 3, 1]),
    "words": tf.constant([[2, 3], [2, 0], [0, 0], [1, 3]]),
    "age": tf.constant([0.5, -1.0, 2.0, 0.0]),
}


def tower_of(sizes: list[int], projection_only: bool = False, seed: int = 0, **model) -> Tower:
    tf.keras.utils.set_random_seed(seed)
    tower = Tower(FEATURES, sizes, projection_only, ModelConfig(**model), seed, "query")
    tower(INPUTS)
    return tower


def model_of(features: FeaturesConfig, seed: int = 42, **model):
    config = small_config(
        features=features, model=ModelConfig(**model), train=TrainConfig(seed=seed)
    )
    return build_model(config, encode_features(config, INTERACTIONS, np.arange(300)))


def test_a_lookup_gives_the_rows_of_its_table() -> None:
    lookup = Embedding(4, 2, multivalued=False, name="table")
    codes = tf.constant([3, 0, 3])
    lookup(codes)
    lookup.set_weights([np.array([[0, 1], [2, 3], [4, 5], [6, 7]])])
    assert lookup(codes).numpy().tolist() == [[6, 7], [0, 1], [6, 7]]


def test_a_list_gives_the_mean_of_its_rows_without_the_padding() -> None:
    lookup = Embedding(5, 2, multivalued=True, name="table")
    # Two words; one word twice and another; one and padding; nothing but padding.
    codes = tf.constant([[2, 3, 0], [4, 4, 1], [3, 0, 0], [0, 0, 0]])
    lookup(codes)
    lookup.set_weights([np.array([[100, 100], [9, 0], [2, 4], [4, 8], [3, 6]])])
    assert lookup(codes).numpy().tolist() == [[3, 6], [5, 4], [4, 8], [0, 0]]


def test_padding_has_no_gradient() -> None:
    lookup = Embedding(4, 1, multivalued=True, name="table")
    codes = tf.constant([[2, 0, 0], [2, 3, 0]])
    lookup(codes)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(lookup(codes))
    # Row 2 is one of one and one of two, row 3 one of two.
    gradient = tape.gradient(total, lookup.table)
    assert tf.convert_to_tensor(gradient).numpy().ravel().tolist() == [0, 0, 1.5, 0.5]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_dense_gradient_of_a_lookup_is_the_sparse_one_of_gather(jit_compile: bool) -> None:
    rng = np.random.default_rng(0)
    table = tf.constant(rng.normal(size=(9, 4)).astype("f"))
    codes = tf.constant(rng.integers(0, 7, 30).astype("i"))
    upstream = tf.constant(rng.normal(size=(30, 4)).astype("f"))

    @tf.function(jit_compile=jit_compile)
    def dense():
        with tf.GradientTape() as tape:
            tape.watch(table)
            rows = dense_lookup(table, codes)
        return rows, tape.gradient(rows, table, upstream)

    with tf.GradientTape() as tape:
        tape.watch(table)
        expected = tf.gather(table, codes)
    sparse = tape.gradient(expected, table, upstream)
    assert isinstance(sparse, tf.IndexedSlices)
    rows, gradient = dense()
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(gradient, tf.convert_to_tensor(sparse), rtol=1e-6, atol=1e-6)
    assert not gradient.numpy()[7:].any()


@pytest.mark.parametrize("sizes", [[5], [16, 5], [16, 7, 5]])
def test_shapes(sizes: list[int]) -> None:
    tower = tower_of(sizes)
    assert tower(INPUTS).shape == (4, 5)
    kernels = [weight.shape for weight in tower.trainable_weights if "kernel" in weight.name]
    assert kernels == [(a, b) for a, b in zip([8, *sizes], sizes, strict=False)]


def test_a_tower_by_hand() -> None:
    """Features side by side in their order, ReLU on the hidden layer, none on the last."""
    tower = tower_of([2, 1])
    user, words, first, first_bias, last, last_bias = tower.get_weights()
    assert (user.shape, words.shape) == ((4, 4), (4, 3))
    user[:], words[:] = 0, 0
    user[1, 0], words[2, 2], words[3, 2] = 10, 1, 3
    first[:] = 0
    # Unit 0 sums the user's first number and the age; unit 1 is minus the words' last.
    first[0, 0], first[7, 0], first[6, 1] = 1, 1, -1
    first_bias[:], last[:, 0], last_bias[:] = [0, 2.5], [-1, 1], [0.25]
    tower.set_weights([user, words, first, first_bias, last, last_bias])
    # Rows: (0.5, 2.5 - 2), (10 - 1, 2.5 - 1), (2, 2.5), (10, max(0, 2.5 - (0 + 3) / 2)).
    expected = [[-0.5 + 0.5], [-9 + 1.5], [-2 + 2.5], [-10 + 1.0]]
    np.testing.assert_allclose(tower(INPUTS), np.array(expected) + 0.25, rtol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_last_layer_has_no_activation_and_the_hidden_one_has(activation: str) -> None:
    one, two = tower_of([3], activation=activation), tower_of([3, 3], activation=activation)
    linear = tower_of([3], activation="linear")
    np.testing.assert_array_equal(one(INPUTS), linear(INPUTS))
    # With an identity as the last layer, what comes out is the activation itself.
    two.set_weights([*one.get_weights(), np.eye(3), np.zeros(3)])
    function = tf.keras.activations.get(activation)
    np.testing.assert_allclose(two(INPUTS), function(linear(INPUTS)), rtol=1e-5, atol=1e-6)


def test_no_layers_are_one_projection_without_bias() -> None:
    model = model_of(tutorial_features(dim=6), layer_sizes=[])
    names = [weight.name for weight in model.trainable_weights]
    assert not [name for name in names if "bias" in name]
    # 6 + 6 + 1 and 6 + 6 numbers, each projected to features.embedding_dim.
    shapes = [weight.shape for weight in model.trainable_weights if "kernel" in weight.name]
    assert shapes == [(13, 6), (12, 6)]


def test_each_tower_can_have_sizes_of_its_own() -> None:
    model = model_of(ids_features(dim=4), query_layer_sizes=[9, 4], candidate_layer_sizes=[])
    shapes = [weight.shape for weight in model.trainable_weights if "kernel" in weight.name]
    assert shapes == [(4, 9), (9, 4), (4, 4)]
    biases = [weight for weight in model.trainable_weights if "bias" in weight.name]
    assert len(biases) == 2


def test_layer_norm_stands_before_each_hidden_activation() -> None:
    tower = tower_of([6, 5, 3], layer_norm=True, activation="linear")
    kinds = [type(layer).__name__ for layer in tower.stack]
    hidden = ["Dense", "LayerNormalization", "Activation"]
    assert kinds == [*hidden, *hidden, "Dense"]
    # With an identity as the last layer: mean 0 and deviation 1 in each row.
    one = tower_of([6, 6], layer_norm=True, activation="linear")
    weights = one.get_weights()
    # The rows are small at the start, next to the epsilon of the normalisation.
    one.set_weights([*[100 * w for w in weights[:3]], *weights[3:6], np.eye(6), np.zeros(6)])
    output = one(INPUTS).numpy()
    np.testing.assert_allclose(output.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(output.std(axis=1), 1, rtol=1e-2)


def test_normalised_outputs_have_length_one() -> None:
    plain, unit = (tower_of([5], normalize_output=normalize)(INPUTS) for normalize in (False, True))
    lengths = np.linalg.norm(plain, axis=1, keepdims=True)
    assert lengths.min() > 0.01
    np.testing.assert_allclose(unit, plain / lengths, rtol=1e-5)


def test_l2_is_on_every_kernel_and_on_nothing_else() -> None:
    tower = tower_of([4, 3], l2=0.5)
    kernels = [w for w in tower.get_weights() if w.shape in ((8, 4), (4, 3))]
    # The table of users is [4, 4], that of words [4, 3]: told from the last kernel by place.
    kernels = [kernels[-2], kernels[-1]]
    expected = 0.5 * sum((kernel**2).sum() for kernel in kernels)
    assert float(tf.add_n(tower.losses)) == pytest.approx(expected, rel=1e-5)
    assert not tower_of([4, 3]).losses


@pytest.mark.parametrize("where", ["dropout", "input_dropout"])
def test_dropout_works_in_training_alone(where: str) -> None:
    tower, plain = tower_of([50, 3], **{where: 0.5}), tower_of([50, 3])
    np.testing.assert_array_equal(tower(INPUTS, training=False), plain(INPUTS))
    assert not np.allclose(tower(INPUTS, training=True), plain(INPUTS), rtol=1e-2)


def test_the_candidate_tower_may_have_an_input_dropout_of_its_own() -> None:
    for own, expected in ((None, [0.5, 0.5]), (0.25, [0.5, 0.25]), (0.0, [0.5])):
        model = model_of(ids_features(dim=8), input_dropout=0.5, candidate_input_dropout=own)
        stacks = [*model.query_tower.stack, *model.candidate_tower.stack]
        assert [layer.rate for layer in stacks if hasattr(layer, "rate")] == expected


def test_input_dropout_drops_a_share_of_the_inputs_and_scales_the_rest() -> None:
    tf.keras.utils.set_random_seed(0)
    features = [ScaledFeature("age", mean=0.0, deviation=1.0, missing=0.0)]
    tower = Tower(features, [1], True, ModelConfig(input_dropout=0.25), 0, "query")
    inputs = {"age": tf.ones([4_000])}
    tower(inputs)
    tower.set_weights([np.ones((1, 1)), *tower.get_weights()[1:]])
    output = tower(inputs, training=True).numpy()
    kept = output > 0
    np.testing.assert_allclose(output[kept], 1 / 0.75, rtol=1e-6)
    # Five standard deviations of a binomial share of 4,000.
    assert kept.mean() == pytest.approx(0.75, abs=5 * np.sqrt(0.25 * 0.75 / 4_000))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_dropout_masks_differ_between_steps_and_layers_and_repeat_between_runs(jit_compile) -> None:
    def outputs(seed: int) -> list[np.ndarray]:
        tower = tower_of([40, 40, 40], dropout=0.5, seed=seed, activation="linear")
        tower.set_weights([w if w.dtype.kind != "f" else 0 * w + 1 for w in tower.get_weights()])
        run = tf.function(lambda: tower(INPUTS, training=True), jit_compile=jit_compile)
        return [run().numpy() for _ in range(3)]

    first, again, other = outputs(1), outputs(1), outputs(2)
    assert [a.tobytes() for a in first] == [a.tobytes() for a in again]
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])
    assert not np.array_equal(first[0], other[0])


def test_initial_values() -> None:
    """As in the reference: tables uniform in +-0.05, kernels Glorot uniform, biases zero."""
    model = model_of(tutorial_features(dim=64), layer_sizes=[256, 64])
    limits = {(129, 256): np.sqrt(6 / (129 + 256)), (128, 256): np.sqrt(6 / (128 + 256))}
    limits[256, 64] = np.sqrt(6 / (256 + 64))
    for weight in model.trainable_weights:
        values = weight.numpy()
        if "bias" in weight.name:
            assert not values.any()
            continue
        limit = 0.05 if "table" in weight.name else limits[values.shape]
        # Of hundreds of uniform numbers the largest lies near the limit, and the
        # deviation is the limit / sqrt(3).
        assert 0.97 * limit < np.abs(values).max() <= limit
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.06)


def test_the_seed_decides_the_initial_weights() -> None:
    first, again, other = (model_of(tutorial_features(dim=4), seed=seed) for seed in (1, 1, 2))
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    table = "user_id_embedding/table"
    (a,), (b,) = ([w for w in m.trainable_weights if table in w.name] for m in (first, other))
    assert not np.allclose(a, b)


def test_the_two_towers_share_neither_weights_nor_dropout_masks() -> None:
    model = model_of(ids_features(dim=8), layer_sizes=[8], input_dropout=0.5)
    query, candidate = model.query_tower, model.candidate_tower
    assert not {id(w) for w in query.weights} & {id(w) for w in candidate.weights}
    for tower in (query, candidate):
        values = [np.ones(w.shape) if "table" in w.name else w.numpy() for w in tower.weights]
        tower.set_weights([np.eye(8) if v.shape == (8, 8) else v for v in values])
    codes = tf.zeros([20], tf.int32)
    dropped = [
        tower({tower.feature_names[0]: codes}, training=True).numpy() == 0
        for tower in (query, candidate)
    ]
    assert 0.3 < dropped[0].mean() < 0.7
    assert not np.array_equal(*dropped)


def test_the_summary_counts_every_parameter() -> None:
    model = model_of(tutorial_features(dim=6), layer_sizes=[7, 5], layer_norm=True, dropout=0.1)
    rows = layer_rows(model)
    total = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert sum(parameters for *_, parameters in rows) == total
    widths = [(tower, width) for tower, layer, width, _ in rows if layer == "concatenation"]
    assert widths == [("query", 13), ("candidate", 12)]
    assert [width for tower, _, width, _ in rows if tower == "query"][-1] == 5


def test_a_column_may_have_any_name() -> None:
    for name in ("User ID", "été", " ", "_x"):
        layer = feature_layer(LookupFeature(name, ("a",), 2))
        assert tf.function(layer)(tf.constant([0, 1])).shape == (2, 2)
