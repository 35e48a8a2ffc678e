"""Each rule with its message: the key, what was given, what would be right."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
from changed_configs import problems_of

from sweeper.two_tower.config import Config

AT_LEAST_1 = "a finite number of at least 1"
POSITIVE = "a finite number greater than 0"
SHARE = "at least 0 and below 1"

# Key, values outside its range, words that say what is right.
RANGES = [
    ("data__name", ["movielens"], "one of movielens_100k, movielens_1m, movielens_25m, synth"),
    ("data__source", [""], "not empty"),
    ("tracking__mlflow", [""], "not empty"),
    ("tracking__wandb", [""], "not empty"),
    ("data__split", ["by_user", ""], "one of random, temporal, leave_last_out"),
    ("data__split_seed", [-1], "a finite number of at least 0"),
    ("data__cut", [-1], "a finite number of at least 0"),
    ("data__cold_start_items", [-0.1, 1.0, math.nan], SHARE),
    ("data__train_size", [-0.1, 1.5, math.nan], "a share below 1 (0.2) or a whole number of rows"),
    ("data__validation_size", [-1.0, math.inf], "a share below 1"),
    ("data__test_size", [-1.0, 2.5], "a share below 1"),
    ("data__columns__user", [""], "not empty"),
    ("data__columns__item", [""], "not empty"),
    ("data__columns__timestamp", [""], "not empty"),
    ("data__columns__rating", [""], "not empty"),
    ("data__columns__weight", [""], "not empty"),
    ("data__path", [""], "not empty"),
    ("data__format", ["tsv"], "one of auto, csv, parquet, jsonl"),
    ("data__timestamp_unit", ["weeks"], "one of auto, seconds, milliseconds, microseconds"),
    ("data__timestamp_format", [""], "not empty"),
    ("data__filter__implausible_times", ["warn"], "one of error, drop, keep"),
    ("data__csv__delimiter", ["", '"', "a\n"], "auto, or one or more characters"),
    ("data__csv__quote_char", ["", "''", "\u201c"], "auto, one ASCII character, or null"),
    ("data__csv__column_names", [[]], "not empty"),
    ("data__items__path", [""], "not empty"),
    ("data__items__format", ["tsv"], "one of auto, csv, parquet, jsonl"),
    ("data__items__csv__delimiter", ["", '"', "a\n"], "auto, or one or more characters"),
    ("data__items__csv__quote_char", ["", "''", "\u201c"], "auto, one ASCII character, or null"),
    ("data__items__csv__column_names", [[]], "not empty"),
    ("data__users__format", ["tsv"], "one of auto, csv, parquet, jsonl"),
    ("data__users__csv__delimiter", ["", '"', "a\n"], "auto, or one or more characters"),
    ("data__users__csv__quote_char", ["", "''", "\u201c"], "auto, one ASCII character, or null"),
    ("data__users__csv__column_names", [[]], "not empty"),
    ("data__filter__missing_features", ["drop"], "one of error, fill"),
    ("data__items__key", [""], "not empty"),
    ("data__users__path", [""], "not empty"),
    ("data__users__key", [""], "not empty"),
    ("data__filter__duplicates", ["sum"], "one of keep, first, last, error"),
    ("data__filter__min_user_interactions", [0], AT_LEAST_1),
    ("data__filter__min_item_interactions", [0], AT_LEAST_1),
    ("data__filter__missing_values", ["keep"], "one of error, drop"),
    ("data__filter__unknown_items", ["ignore"], "one of error, drop, keep"),
    ("data__filter__unknown_users", ["ignore"], "one of error, drop, keep"),
    ("data__filter__min_rating", [math.nan, -math.inf], "finite"),
    ("optimizer__options", [{"beta_1": math.nan}], "finite"),
    ("data__synthetic__num_users", [0, -3], AT_LEAST_1),
    ("data__synthetic__num_items", [1], "a finite number of at least 2"),
    ("data__synthetic__num_interactions", [2], "a finite number of at least 3"),
    ("data__synthetic__rank", [0], AT_LEAST_1),
    ("data__synthetic__popularity_exponent", [-0.1, math.nan, math.inf], "at least 0"),
    ("data__synthetic__affinity", [-0.1, math.nan], "at least 0"),
    ("data__synthetic__markov_share", [-0.1, 1.1, math.nan], "at least 0 and at most 1"),
    ("data__synthetic__seed", [-1], "a finite number of at least 0"),
    ("features__embedding_dim", [0], AT_LEAST_1),
    ("features__query", [[]], "not empty"),
    ("features__candidate", [[]], "not empty"),
    ("features__query__0__column", [""], "not empty"),
    ("features__query__0__kind", ["embeding"], "one of embedding, buckets, normalized, text, num"),
    ("features__query__0__dim", [0], AT_LEAST_1),
    ("features__query__1__num_boundaries", [0], AT_LEAST_1),
    ("features__candidate__1__max_tokens", [0], AT_LEAST_1),
    ("model__layer_sizes", [[0], [64, -1]], "a list of widths, each at least 1"),
    ("model__query_layer_sizes", [[0, 32]], "a list of widths, each at least 1"),
    ("model__candidate_layer_sizes", [[-5, 32]], "a list of widths, each at least 1"),
    ("model__activation", ["rellu"], "one of elu, "),
    ("model__dropout", [1.0, -0.1, math.nan], SHARE),
    ("model__input_dropout", [1.0, -0.1, math.nan], SHARE),
    ("model__candidate_input_dropout", [1.0, -0.1, math.nan], SHARE),
    ("model__l2", [-1e-6, math.nan, math.inf], "a finite number of at least 0"),
    (
        "model__tower",
        ["dens"],
        "one of dense, or the Python path of your own",
    ),
    ("task__name", ["softmax"], "one of in_batch_softmax, corrected_softmax, full_softmax"),
    ("task__temperature", [0.0, -1.0, math.nan, math.inf], POSITIVE),
    ("task__num_hard_negatives", [0], AT_LEAST_1),
    ("task__num_uniform_negatives", [0], AT_LEAST_1),
    ("task__new_item_weight", [0.0, 1.1, math.nan], "above 0 and at most 1"),
    ("task__exclude_seen", [0, 1_001], "a whole number from 1 to 1,000"),
    ("data__same_time", ["no"], "one of include, exclude"),
    ("features__id_dropout", [-0.1, 1.0, math.nan], SHARE),
    ("features__candidate__0__id_dropout", [-0.1, 1.0], SHARE),
    ("features__sequence__max_length", [0, 1_001], "a whole number from 1 to 1,000"),
    ("features__sequence__encoder", ["lstm"], "one of mean, recency, gru, self_attention"),
    ("features__sequence__num_decays", [0], AT_LEAST_1),
    ("features__sequence__num_blocks", [0], AT_LEAST_1),
    ("features__sequence__num_heads", [0], AT_LEAST_1),
    ("features__sequence__dropout", [1.0, -0.1], "at least 0 and below 1"),
    ("optimizer__name", ["adma"], "one of adadelta, "),
    ("optimizer__learning_rate", [0.0, -0.1, math.nan, math.inf], POSITIVE),
    ("optimizer__schedule", ["linear"], "one of constant, cosine, exponential"),
    ("optimizer__final_share", [0.0, 1.1, math.nan], "above 0 and at most 1"),
    ("optimizer__weight_decay", [-0.1, math.nan], "a finite number of at least 0"),
    ("optimizer__clip_value", [0.0, math.nan], POSITIVE),
    ("optimizer__clip_norm", [-1.0, math.inf], POSITIVE),
    ("optimizer__global_clip_norm", [0.0], POSITIVE),
    ("train__epochs", [0, -5], AT_LEAST_1),
    ("train__batch_size", [0], AT_LEAST_1),
    ("train__eval_every_epochs", [0], AT_LEAST_1),
    ("train__patience_evaluations", [0], AT_LEAST_1),
    ("train__seed", [-1], "a finite number of at least 0"),
    ("train__precision", ["float16"], "one of float32, mixed_bfloat16, mixed_float16"),
    ("train__threads", [0, 1_001], "a whole number from 1 to 1,000"),
    ("evaluation__split", ["tests"], "one of validation, test"),
    (
        "evaluation__metric",
        ["top_9", "top 100", ""],
        "one of top_1, top_5, top_10, top_50, top_100, ",
    ),
    ("evaluation__metric", ["seen_filtered_top_2", "num_parameters"], "seen_filtered_top_100"),
    ("evaluation__baselines", [["popularity", "itemknn"]], "from popularity, recent_popularity, "),
    ("evaluation__seen", ["after"], "one of auto, before, training"),
    (
        "evaluation__baselines",
        [["ease_last_0"], ["ease_last_05"], ["ease_last_1001"], ["ease_last_"], ["ease_last_2.5"]],
        "ease_last_N with an N from 1 to 1,000",
    ),
    ("evaluation__recent_popularity_days", [0.0, math.inf], POSITIVE),
    ("evaluation__covisitation_window", [0, 1_001], "a whole number from 1 to 1,000"),
    ("evaluation__covisitation_history", [0, 1_001], "a whole number from 1 to 1,000"),
    ("evaluation__sampled_candidates", [0], AT_LEAST_1),
    ("evaluation__ease_regularization", [0.0, math.nan], POSITIVE),
]


def yaml_key(key: str) -> str:
    return re.sub(r"__(\d+)", r"[\1]", key).replace("__", ".")


@pytest.mark.parametrize(("key", "values", "right"), RANGES, ids=[row[0] for row in RANGES])
def test_a_value_out_of_range_is_told_with_its_key_and_what_is_right(key, values, right) -> None:
    for value in values:
        problems = problems_of(**{key: value})
        told = [text for text in problems if text.startswith(f"{yaml_key(key)}: got {value!r};")]
        assert told, problems
        assert right in told[0].split("must be ", 1)[1]


def ranged_keys(node, prefix: str = "") -> set[str]:
    keys = set()
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            keys |= ranged_keys(value, f"{prefix}{field.name}__")
        elif "range" in field.metadata:
            keys.add(f"{prefix}{field.name}")
    return keys


def test_no_range_of_the_schema_is_untested() -> None:
    assert ranged_keys(Config()) <= {key for key, *_ in RANGES}


@pytest.mark.parametrize(
    "values",
    [
        {"data__train_size": 0.5, "data__validation_size": 0.25, "data__test_size": 0.25},
        {"data__test_size": 20_000.0, "data__train_size": 80_000.0},
        {
            "data__validation_size": 0.0,
            "evaluation__split": "test",
            "train__restore_best": False,
        },
        {"data__split": "leave_last_out", "data__test_size": 2.0},
        {"model__layer_sizes": []},
        {"model__query_layer_sizes": [], "model__candidate_layer_sizes": [8, 32]},
        {"model__dropout": 0.0, "model__input_dropout": 0.999},
        {"train__eval_every_epochs": 9, "train__epochs": 2},
        {"optimizer__final_share": 1.0},
        {"evaluation__baselines": []},
        {"evaluation__baselines": ["covisitation", "ease_last_1", "ease_last_1000"]},
        {"evaluation__score_test": False, "evaluation__measure_latency": True},
        {"task__name": "corrected_softmax", "task__remove_accidental_hits": True},
    ],
)
def test_what_is_just_within_the_rules_passes(values) -> None:
    assert problems_of(**values) == []


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"model__activation": "rellu"}, "Did you mean 'relu'?"),
        ({"optimizer__name": "Adagrad"}, "Did you mean 'adagrad'?"),
        ({"task__name": "full_sotfmax"}, "Did you mean 'full_softmax'?"),
        ({"data__source": "packageindex"}, "Did you mean 'package_index'?"),
        ({"data__split": "leave_one_out"}, "Did you mean 'leave_last_out'?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_closest(values, hint: str) -> None:
    (problem,) = problems_of(**values)
    assert problem.endswith(hint)


SEQUENCE = {"features__query__0__kind": "sequence", "features__query__0__column": "movie_title"}
# Values that don't go together, and how the one problem starts and what it says.
RULES = [
    (
        {"model__query_layer_sizes": [64, 32], "model__candidate_layer_sizes": [16]},
        "model.layer_sizes: the query tower ends in width 32 ([64, 32])",
        "the candidate tower in 16 ([16]); both must end in the same width",
    ),
    (
        # An empty list projects to features.embedding_dim, 32.
        {"model__query_layer_sizes": [], "model__candidate_layer_sizes": [8]},
        "model.layer_sizes: the query tower ends in width 32",
        "both must end in the same width",
    ),
    (
        {"task__name": "full_softmax", "task__remove_accidental_hits": True},
        "task.remove_accidental_hits: got True with task.name 'full_softmax'",
        "must be False",
    ),
    (
        {"task__name": "full_softmax", "task__num_uniform_negatives": 8},
        "task.num_uniform_negatives: got 8 with task.name 'full_softmax'",
        "must be null",
    ),
    (
        {"task__name": "in_batch_softmax", "task__new_item_weight": 0.2},
        "task.new_item_weight: got 0.2 with task.name 'in_batch_softmax'",
        "must be null",
    ),
    (
        {"train__precision": "mixed_bfloat16", "model__tower": "json:JSONDecoder"},
        "train.precision: got 'mixed_bfloat16' with model.tower 'json:JSONDecoder'",
        "must be 'float32'",
    ),
    (
        {"data__name": "synthetic", "data__source": "tfds"},
        "data.source: got 'tfds' with data.name 'synthetic'",
        "must be 'auto'",
    ),
    (
        {"data__source": "/no/such/ml-100k.zip"},
        "data.source: got '/no/such/ml-100k.zip', which is not a file or folder",
        "must be auto, tfds, package_index, or the path of a MovieLens folder or zip",
    ),
    (
        {"data__name": "movielens_1m", "data__source": "package_index"},
        "data.source: got 'package_index' with data.name 'movielens_1m'",
        "must be 'auto', 'tfds' or a path",
    ),
    (
        {"data__split": "leave_last_out", "data__test_size": 0.2},
        "data.test_size: got 0.2 with data.split 'leave_last_out'",
        "must be a whole number of rows of each user",
    ),
    (
        {"data__cut": 2},
        "data.cut: got 2 with data.split 'random', which has no order of time",
        "use 0, or set data.split to 'temporal' or 'leave_last_out'",
    ),
    ({"data__test_size": 0.0}, "data.test_size: got 0", "must be greater than 0"),
    (
        {"data__train_size": 0.7, "data__validation_size": 0.2, "data__test_size": 0.2},
        "data.test_size: the shares add up to 1.1",
        "must be at most 1",
    ),
    (
        {"data__validation_size": 0.0},
        "data.validation_size: got 0 with evaluation.split 'validation'",
        "must be greater than 0, or evaluation.split 'test'",
    ),
    (
        {"features__query__0__num_boundaries": 10},
        "features.query[0].num_boundaries: got 10 for kind 'embedding'",
        "only buckets takes it",
    ),
    (
        {"features__candidate__0__max_tokens": 10},
        "features.candidate[0].max_tokens: got 10 for kind 'embedding'",
        "only text, sequence takes it",
    ),
    (
        {"features__candidate__0__kind": "history"},
        "features.candidate[0].kind: got 'history', which describes a user",
        "use it in features.query",
    ),
    (
        {"features__query__2__dim": 3},
        "features.query[2].dim: got 3 for kind 'normalized'",
        "only embedding, buckets, text, history, sequence takes it",
    ),
    (
        {"evaluation__split": "test"},
        "train.restore_best: got True with evaluation.split 'test'",
        "must be False",
    ),
    (
        {
            "evaluation__split": "test",
            "train__restore_best": False,
            "train__patience_evaluations": 3,
        },
        "train.patience_evaluations: got 3 with evaluation.split 'test'",
        "must be null",
    ),
    (
        {
            "evaluation__split": "test",
            "evaluation__score_test": False,
            "train__restore_best": False,
        },
        "evaluation.score_test: got False with evaluation.split 'test'",
        "must be True, or evaluation.split 'validation'",
    ),
    (
        {"optimizer__clip_value": 1.0, "optimizer__global_clip_norm": 1.0},
        "optimizer.clip_value: is given together with global_clip_norm",
        "give at most one",
    ),
    (
        {"data__validation_size": 1.0},
        "data.validation_size: got 1, a single row",
        "a share below 1",
    ),
    (
        {"data__validation_size": 0.5, "data__test_size": 0.5},
        "data.test_size: the shares add up to 1;",
        "must be below 1",
    ),
    (
        {"features__candidate__0__kind": "sequence"},
        "features.candidate[0].kind: got 'sequence', which describes a user",
        "use it in features.query",
    ),
    (
        {
            **SEQUENCE,
            "features__query__0__dim": 9,
            "features__sequence__encoder": "self_attention",
            "features__sequence__share_with_candidates": False,
        },
        "features.sequence.num_heads: got 2 for features.query[0], whose vectors are 9 wide",
        "must divide the width",
    ),
    (
        {**SEQUENCE, "features__sequence__encoder": "nowhere:Encoder"},
        "features.sequence.encoder: got 'nowhere:Encoder'; there is no module",
        "must be in the current directory",
    ),
    (
        {**SEQUENCE, "features__sequence__options": {"a": 1}},
        "features.sequence.options: got {'a': 1} with features.sequence.encoder 'recency'",
        "only the Python path",
    ),
    (
        {"data__name": "???"},
        "data.name: is missing",
        "must be one of movielens_100k",
    ),
]


@pytest.mark.parametrize(("values", "start", "right"), RULES, ids=[rule[1][:40] for rule in RULES])
def test_values_that_do_not_go_together(values, start: str, right: str) -> None:
    (problem,) = problems_of(**values)
    assert problem.startswith(start)
    assert right in problem


def test_what_goes_by_the_order_of_rows_wants_times() -> None:
    problems = problems_of(
        **SEQUENCE,
        task__exclude_seen=5,
        model__seen_bias=True,
        data__columns__timestamp=None,
    )
    assert any(
        text.startswith("features.query[0].kind: got 'sequence', which") for text in problems
    )
    for start in ("task.exclude_seen: got 5", "model.seen_bias: got True"):
        assert any(text.startswith(f"{start} with data.columns") for text in problems)
    own = problems_of(model__seen_bias=True, task__name="package.module:Name")
    assert any("model.seen_bias: got True with task.name" in text for text in own)


def test_baselines_that_go_by_times_want_times() -> None:
    # The other problems are of the shipped data, which takes no other columns.
    names = ["popularity", "recent_popularity", "ease", "covisitation", "ease_last_7"]
    problems = problems_of(evaluation__baselines=names, data__columns__timestamp=None)
    told = [text for text in problems if text.startswith("evaluation.baselines")]
    assert [text.partition(", which")[0] for text in told] == [
        f"evaluation.baselines: got {name!r}" for name in (names[1], *names[3:])
    ]
    assert told[0].endswith(
        "with data.columns.timestamp null; leave it out, as in "
        "evaluation.baselines=[popularity], or set data.columns.timestamp"
    )


def test_several_errors_are_told_at_once_each_in_one_line() -> None:
    problems = problems_of(
        train__epochs=0,
        optimizer__learning_rate=math.nan,
        data__test_size=0.0,
        model__candidate_layer_sizes=[7],
        features__query__0__kind="embeding",
    )
    keys = {problem.split(":")[0] for problem in problems}
    assert keys >= {
        "train.epochs", "optimizer.learning_rate", "data.test_size", "model.layer_sizes",
        "features.query[0].kind",
    }  # fmt: skip
    assert not [problem for problem in problems if "\n" in problem]


def test_a_path_that_exists_is_a_source(tmp_path) -> None:
    assert problems_of(data__source=str(tmp_path)) == []


@pytest.mark.parametrize(
    ("format_", "unit", "problems"),
    [
        ("%d.%m.%Y", "auto", []),
        (
            "%d.%m.",
            "auto",
            ["data.timestamp_format: got '%d.%m.'; must have the year, such as %Y in %d.%m.%Y"],
        ),
        (
            "%Y",
            "days",
            [
                "data.timestamp_unit: got 'days' with data.timestamp_format '%Y', which already "
                "says what the times are; use 'auto', or set data.timestamp_format to null"
            ],
        ),
    ],
)
def test_a_form_of_times_is_one_and_has_no_unit(tmp_path, format_, unit, problems) -> None:
    (tmp_path / "r.csv").touch()
    told = problems_of(
        data__name="table", data__path=str(tmp_path / "r.csv"), data__split="random",
        data__columns__timestamp="when", data__timestamp_format=format_, data__timestamp_unit=unit,
    )  # fmt: skip
    assert [line for line in told if "timestamp" in line] == problems
