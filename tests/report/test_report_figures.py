"""What the plots show: numbers that were worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_studies import StudyMaker, made_up_record, nothing

from sweeper.report.rendering.axes import log_axis, metric_axis, round_ticks
from sweeper.report.sections.architecture import cells_of
from sweeper.report.sections.curves import validation_curves
from sweeper.report.sections.parameter_plots import parallel_coordinates, slices
from sweeper.report.sections.pareto import pareto_front
from sweeper.report.sections.savings import epochs_by_state, savings_section
from sweeper.report.sections.times import Span, lanes_of, spans_of, stage_seconds
from sweeper.results.curves import curves_of, group_curves, group_labels
from sweeper.results.importance import importances, study_with_pruned
from sweeper.results.loading import load_results
from sweeper.results.towers import layers_text, pruned_by_size
from sweeper.two_tower import record as records


def groups_of(directory):
    results = load_results(directory)
    _, labels = group_labels(results)
    return group_curves(curves_of(results, "top_100"), labels, more_is_better=True)


def test_a_line_is_the_mean_of_the_complete_trials_of_the_same_layers(tmp_path):
    maker = StudyMaker(tmp_path)
    for values, state, sizes in [
        ([0.1, 0.2, 0.3], "complete", "[32]"),
        ([0.3, 0.4, 0.5], "complete", "[32]"),
        ([0.0], "pruned", "[32]"),
        ([0.2, 0.6], "complete", "[64,32]"),
    ]:
        record = made_up_record(values, state, [f"model.layer_sizes={sizes}"])
        maker.trial(values, state, record=record)
    first, second = groups_of(tmp_path)
    assert (first.label, second.label) == ("64-32", "32")
    mean = second.mean()
    assert mean.epochs == [2, 4, 6]
    assert mean.values == pytest.approx([0.2, 0.3, 0.4])
    assert mean.deviations == pytest.approx([np.sqrt(0.02)] * 3)
    assert [curve.trial for curve in second.others] == [2]


def test_a_mean_ends_where_fewer_than_half_go_on(tmp_path):
    maker = StudyMaker(tmp_path)
    for values in ([0.1, 0.2, 0.9], [0.1, 0.2], [0.1, 0.2]):
        maker.trial(values, record=made_up_record(values, overrides=["model=one_layer"]))
    (group,) = groups_of(tmp_path)
    assert group.mean().epochs == [2, 4]


def test_the_seeds_of_a_trial_are_curves_of_their_own(tmp_path):
    repeats = [
        {"split_seed": seed, "directory": f"split_seed_{seed}", "metrics": {}} for seed in (0, 1)
    ]
    summary = made_up_record([0.3, 0.4], repeats=repeats)

    def write(place):
        records.write(place, summary)
        records.write(place / "split_seed_0", made_up_record([0.2, 0.3]))
        records.write(place / "split_seed_1", made_up_record([0.4, 0.5]))

    StudyMaker(tmp_path).trial([0.4], record=summary, write=write)
    (group,) = groups_of(tmp_path)
    assert [curve.split_seed for curve in group.ended] == [0, 1]
    assert group.mean().values == pytest.approx([0.3, 0.4])
    figure = validation_curves(load_results(tmp_path), "top_100")
    assert any(trace.fill == "toself" for trace in figure.plot.data)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ([{"task": "full_softmax"}, {"task": "in_batch_softmax"}], ("task", "full_softmax")),
        ([{"model.dropout": 0.1}, {"model.dropout": 0.2}], ("layer sizes", "64-32")),
        ([{"train.seed": 1}, {"train.seed": 2}], ("layer sizes", "64-32")),
        (
            [{"model.activation": "relu"}, {"model.activation": "tanh"}],
            ("activation", "activation relu"),
        ),
        (
            [
                {"model.activation": "relu", "task": "full_softmax"},
                {"model.activation": "tanh", "task": "in_batch_softmax"},
            ],
            ("task", "full_softmax"),
        ),
    ],
)
def test_without_different_layers_the_choice_that_counts_makes_the_groups(
    tmp_path, params, expected
):
    maker = StudyMaker(tmp_path)
    for own in params:
        record = made_up_record([0.3], overrides=["model.layer_sizes=[64,32]"])
        maker.study.add_trial(in_memory_trial(maker, own, record))
    title, labels = group_labels(load_results(tmp_path))
    assert (title, labels[0]) == expected


def in_memory_trial(maker, params, record):
    """A trial of categorical parameters that share their choices."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution
    from optuna.trial import create_trial

    choices = {
        "task": CategoricalDistribution(("full_softmax", "in_batch_softmax")),
        "model.activation": CategoricalDistribution(("relu", "tanh")),
        "train.seed": CategoricalDistribution((1, 2)),
        "model.dropout": FloatDistribution(0.0, 0.5),
    }
    number = len(maker.study.trials)
    records.write(maker.directory / f"trials/{number:04d}", record)
    return create_trial(
        values=[0.3],
        params=params,
        distributions={name: choices[name] for name in params},
        user_attrs={"directory": f"trials/{number:04d}"},
    )


def test_towers_that_differ_are_both_named():
    model = {"layer_sizes": [64, 32], "query_layer_sizes": None, "candidate_layer_sizes": []}
    assert layers_text({"model": model}) == "query 64-32, candidate none"


def test_a_pruned_trial_counts_with_the_best_that_it_reached(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([0.3, 0.2], "pruned", {"optimizer": "adam"})
    maker.trial([0.4], "complete", {"optimizer": "adagrad"})
    maker.trial([0.4], "infeasible", {"optimizer": "adagrad"})
    maker.trial([], "failed", {"optimizer": "adam"}, write=nothing)
    trials = study_with_pruned(load_results(tmp_path)).trials
    assert [(trial.user_attrs["number"], trial.values) for trial in trials] == [
        (0, [0.3]),
        (1, [0.4]),
    ]


def test_what_counts_is_found_and_seeds_are_left_out(tmp_path):
    maker = StudyMaker(tmp_path)
    for number in range(20):
        good = number % 2 == 0
        params = {
            "optimizer": "adam" if good else "adagrad",
            "model": ["one_layer", "two_layer"][number // 2 % 2],
            "data.split_seed": number % 3,
        }
        maker.trial([0.4 if good else 0.2 + number / 1000], params=params, write=nothing)
    weights = importances(study_with_pruned(load_results(tmp_path)))
    assert list(weights) == ["optimizer", "model"]
    assert weights["optimizer"] > 0.9


def test_every_counted_trial_is_a_line_and_a_point(searched_study):
    results = load_results(searched_study)
    study = study_with_pruned(results)
    names = ["optimizer", "adam_learning_rate", "model.dropout"]
    lines = parallel_coordinates(results, study, names).plot.data
    assert len(lines) == 24
    # The axes are the metric, then the parameters by name; half of the trials have no learning
    # rate, and cross its axis below its range.
    below = [line for line in lines if line.y[1] == 0.0]
    assert len(below) == 12
    assert all("optimizer adagrad" in line.text for line in below)
    # The best trial is drawn last, over all others.
    assert lines[-1].y[0] == 1.0
    assert lines[-1].text.startswith("<b>trial 15</b>: 0.4650<br>")
    points = [len(small.plot.data[0].x) for small in slices(results, study, names).figures]
    assert points == [24, 12, 24]


def test_the_epochs_that_pruning_saved(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([0.1, 0.2, 0.3, 0.4, 0.5])
    maker.trial([0.1], "pruned")
    maker.trial([0.1, 0.2, 0.1], "complete")
    maker.trial([0.1], "failed")
    states = epochs_by_state(load_results(tmp_path))
    assert [(each.state, each.trials, each.trained, each.full) for each in states] == [
        ("complete", 2, 16, 20),
        ("pruned", 1, 2, 10),
    ]
    section = savings_section(load_results(tmp_path))
    assert "40 % of the epochs were not trained**: 18 instead of 30" in section.blocks[0].text


def test_a_study_whose_trials_all_went_to_their_end_saved_nothing(tmp_path):
    StudyMaker(tmp_path).trial([0.1, 0.2, 0.3, 0.4, 0.5])
    assert savings_section(load_results(tmp_path)) is None


def test_stages_add_up_to_the_total():
    stages = stage_seconds([made_up_record([0.3]), made_up_record([0.3])])
    assert stages == {"import_tensorflow": 4.0, "first_epoch": 2.0, "train": 6.0, "rest": 2.0}
    assert sum(stages.values()) == 14.0


def test_trials_that_overlap_are_in_different_lanes():
    spans = [Span(0, 0, 10), Span(1, 1, 4), Span(2, 4, 6), Span(3, 5, 12), Span(4, 10, 11)]
    assert lanes_of(spans) == [0, 1, 1, 2, 0]


def test_pauses_are_left_out(tmp_path):
    maker = StudyMaker(tmp_path)
    for start, end in [(0, 10), (10, 20), (10_000, 10_010), (10_005, 10_020)]:
        maker.trial([0.3], at=(start, end))
    spans, pauses = spans_of(load_results(tmp_path))
    assert [(span.start, span.end) for span in spans] == [(0, 10), (10, 20), (20, 30), (25, 40)]
    assert pauses == [20]


def test_cells_are_depth_and_width(searched_study):
    results = load_results(searched_study)
    cells = cells_of(results)
    assert {place: len(values) for place, values in cells.items()} == {
        (1, 32): 8, (2, 64): 8,
    }  # fmt: skip
    assert pruned_by_size(results) == {(2, 64): 8}


def test_the_best_of_a_choice_is_of_complete_trials_the_median_of_all(tmp_path):
    maker = StudyMaker(tmp_path)
    for optimizer, top, state in [
        ("adagrad", 0.3, "complete"), ("adagrad", 0.6, "pruned"), ("adam", 0.5, "pruned"),
    ]:  # fmt: skip
        maker.trial([top], state, params={"optimizer": optimizer})
    results = load_results(tmp_path)
    gallery = slices(results, study_with_pruned(results), ["optimizer"])
    assert gallery.numbers.columns[2:] == ["trials", "best complete", "median"]
    assert [row[1:] for row in gallery.numbers.rows] == [
        ["adagrad", "2", "0.3000", "0.4500"],
        ["adam", "1", "–", "0.5000"],
    ]
    assert "The bars are the medians of all trials, pruned ones too" in gallery.caption


def test_the_front_of_two_objectives(tmp_path):
    maker = StudyMaker(tmp_path, top_100="maximize", num_parameters="minimize")
    for top, parameters in [(0.4, 100), (0.5, 300), (0.3, 200), (0.2, 50)]:
        maker.trial([top], objectives=[top, parameters], write=nothing)
    edge = pareto_front(load_results(tmp_path), 1).plot.data[1]
    assert list(zip(edge.x, edge.y, strict=True)) == [(50, 0.2), (100, 0.4), (300, 0.5)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0003, 0.01, [0.0005, 0.001, 0.002, 0.005, 0.01]),
        (1e-5, 1.0, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0]),
        (0.021, 0.024, [0.021, 0.024]),
    ],
)
def test_ticks_of_a_log_axis_axis_are_round(low, high, expected):
    assert round_ticks(low, high) == expected
    assert log_axis([low, high])["ticktext"] == [f"{tick:g}" for tick in expected]


def test_an_axis_has_as_many_digits_as_its_ticks_need():
    assert metric_axis("top_100", [0.1, 0.4])["tickformat"] == ".2f"
    assert metric_axis("top_100", [0.45, 0.46])["tickformat"] == ".3f"
    assert metric_axis("seen_filtered_top_10", [0.1, 0.4])["tickformat"] == ".2f"
    assert metric_axis("num_parameters", [1e4, 1e6])["tickformat"] == "~s"
    low, high = metric_axis("top_100", [0.3])["range"]
    assert low < 0.3 < high
