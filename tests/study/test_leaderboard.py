"""The leaderboard: every trial in its place, as rows, as CSV and as a table."""

from __future__ import annotations

import csv
import io
import random

import optuna
import pytest
from made_up_trials import (
    COMPLETE,
    FAIL,
    LAYERS,
    LEARNING_RATE,
    PRUNED,
    RUNNING,
    WAITING,
    made_up_result,
    made_up_study,
    made_up_trial,
    repeated_result,
)
from rich.console import Console

from sweeper.study import attributes
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row, leaderboard_rows, write_leaderboard
from sweeper.study.outputs.leaderboard_table import leaderboard_table
from sweeper.study.outputs.number_formats import short_names
from sweeper.study.outputs.ties import ties_text
from sweeper.study.outputs.trial_states import objectives_of
from sweeper.two_tower.app import TwoTowerApp

APP = TwoTowerApp()


def rows_of(study: optuna.Study) -> list[Row]:
    return leaderboard_rows(study)


def written(study: optuna.Study, directory) -> list[dict[str, str]]:
    path = write_leaderboard(study, directory)
    return list(csv.DictReader(io.StringIO(path.read_text())))


def shown(study: optuna.Study, width: int, **more) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(leaderboard_table(rows_of(study), objectives_of(study), APP, **more))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines), default=0) <= width
    return [line.rstrip() for line in lines]


def every_state() -> optuna.Study:
    study = made_up_study(top_100="maximize")
    for number, (state, more) in enumerate(
        [
            (WAITING, {}),
            (FAIL, {"interrupted": True, "reason": "the process died"}),
            (FAIL, {"reason": "TrialError: the loss is not finite"}),
            (RUNNING, {"reports": {5: 0.2}}),
            (PRUNED, {"reports": {5: 0.3, 10: 0.1}}),
            (PRUNED, {"reports": {5: 0.2}}),
            (PRUNED, {"reports": {5: float("nan")}}),
            (COMPLETE, {"values": [0.9], "collapsed": True}),
            (COMPLETE, {"values": [0.1], "collapsed": False, "retry_of": 1}),
            (COMPLETE, {"values": [0.3]}),
        ]
    ):
        study.add_trial(made_up_trial(number, state, **more))
    return study


def test_every_trial_has_its_place():
    rows = rows_of(every_state())
    assert [(row.number, row.state, row.rank) for row in rows] == [
        (9, "complete", 1),
        (8, "complete", 2),
        (7, "infeasible", None),
        (5, "pruned", None),
        (4, "pruned", None),
        (6, "pruned", None),
        (3, "running", None),
        (2, "failed", None),
        (1, "interrupted", None),
        (0, "waiting", None),
    ]


def test_the_file_has_every_trial_and_no_nan(tmp_path):
    rows = written(every_state(), tmp_path)
    assert list(rows[0]) == [
        "rank", "number", "state", "directory", LEARNING_RATE, LAYERS, "top_100",
        "best_epoch", "epochs", "num_parameters", "milliseconds_per_query", "beats_best_baseline",
        "seconds", "retry_of", "reason",
    ]  # fmt: skip
    assert len(rows) == 10
    assert "nan" not in (tmp_path / "leaderboard.csv").read_text().lower()
    assert rows[0]["directory"] == "trials/0009"
    assert rows[1]["retry_of"] == "1"
    assert (rows[3]["rank"], rows[3]["top_100"]) == ("", "0.2")
    assert rows[7]["reason"] == "TrialError: the loss is not finite"


def test_seeds_deviations_and_other_metrics_have_columns(tmp_path):
    study = made_up_study(top_100="maximize")
    result = repeated_result("top_100", 0.3, 0.01, seeds=[3, 7])
    result["metrics"]["top_1"] = 0.02
    study.add_trial(made_up_trial(0, values=[0.3], result=result))
    (row,) = written(study, tmp_path)
    names = list(row)
    start = names.index("top_100")
    assert names[start : start + 5] == [
        "top_100", "top_100_std", "top_100_seed_3", "top_100_seed_7", "top_1",
    ]  # fmt: skip
    assert (row["top_100_std"], row["top_100_seed_7"]) == ("0.01", "0.3")
    assert (row["best_epoch"], row["milliseconds_per_query"], row["seconds"]) == ("25", "", "8.1")


@pytest.mark.parametrize(
    ("direction", "order"), [("maximize", [2, 0, 3, 1]), ("minimize", [1, 0, 3, 2])]
)
def test_the_direction_counts_and_zero_and_ties_are_in_order(direction, order):
    study = made_up_study(value=direction)
    for number, value in enumerate([0.0, -1.5, 2.0, 0.0]):
        study.add_trial(made_up_trial(number, values=[value]))
    rows = rows_of(study)
    assert [row.number for row in rows] == order
    assert [row.rank for row in rows] == [1, 2, 3, 4]
    assert rows[0].number == study.best_trial.number


def test_fronts_are_those_of_a_comparison_of_all_pairs():
    study = made_up_study(top_100="maximize", num_parameters="minimize", train_seconds="minimize")
    rng = random.Random(0)
    for number in range(120):
        # Few different values, so that many are equal.
        values = [rng.randrange(6) / 10, float(rng.randrange(4)), float(rng.randrange(5))]
        study.add_trial(made_up_trial(number, values=values, collapsed=number % 7 == 0))
    ranked = [row for row in rows_of(study) if row.rank is not None]
    assert len(ranked) == 120 - len(range(0, 120, 7))
    pareto = {trial.number for trial in study.best_trials}
    assert {row.number for row in ranked if row.rank == 1} == pareto

    def turned(row: Row) -> tuple[float, ...]:
        return (-row.values[0], *row.values[1:])

    for row in ranked:
        better = [
            other.rank
            for other in ranked
            if turned(other) != turned(row)
            and all(a <= b for a, b in zip(turned(other), turned(row), strict=True))
        ]
        assert row.rank == max(better, default=0) + 1
    order = [(row.rank, -row.values[0], row.number) for row in ranked]
    assert order == sorted(order)


def test_an_objective_is_not_told_twice(tmp_path):
    study = made_up_study(top_100="maximize", num_parameters="minimize")
    result = made_up_result({"top_100": 0.3, "top_1": 0.01})
    study.add_trial(made_up_trial(0, values=[0.3, 81234.0], result=result))
    study.add_trial(made_up_trial(1, RUNNING, progress=[5, 0.2]))
    rows = written(study, tmp_path)
    assert list(rows[0]).count("num_parameters") == 1
    assert (rows[0]["num_parameters"], rows[0]["top_1"]) == ("81234.0", "0.01")
    assert (rows[1]["top_100"], rows[1]["num_parameters"]) == ("0.2", "")


def test_a_study_without_trials(tmp_path):
    study = made_up_study(top_100="maximize")
    assert written(study, tmp_path) == []
    assert shown(study, 80) == ["No trial yet."]


def test_a_study_whose_metrics_have_no_names():
    study = optuna.create_study(directions=["minimize", "maximize"])
    assert [(o.metric, o.direction) for o in objectives_of(study)] == [
        ("value_0", "minimize"),
        ("value_1", "maximize"),
    ]


def many_parameters() -> optuna.Study:
    study = made_up_study(top_100="maximize")
    for number in range(14):
        study.add_trial(
            made_up_trial(
                number,
                values=[0.2 + number / 100],
                params={
                    LEARNING_RATE: 0.0123456 + number,
                    LAYERS: "[64, 32]",
                    "features.embedding_dim": number,
                    "optimizer.name": ["adam", "adamw"][number % 2],
                    "task.num_hard_negatives": None if number % 2 else 10,
                    "train.seed": number,
                },
                result=repeated_result("top_100", 0.2, 0.0031, [0, 1, 2]),
            )
        )
    return study


def test_the_table_has_what_varies():
    lines = shown(many_parameters(), 140)
    assert lines[1].split() == [
        "rank", "trial", "top_100", "best", "epoch", "learning_rate", "embedding_dim",
        "optimizer.name", "num_hard_negatives", "train.seed", "epochs", "seconds",
    ]  # fmt: skip
    assert lines[2].split() == [
        "1", "13", "0.3300", "±", "0.0031", "25", "13.01", "13", "adamw", "null", "13", "30", "8.1",
    ]  # fmt: skip
    assert len(lines) == 2 + 10 + 3
    assert lines[-3:] == [
        "popularity: top_100 0.2989", "▾ no better than popularity (0.2989)",
        "… and 4 more in leaderboard.csv",
    ]  # fmt: skip
    # From 0.33 down to 0.24.
    assert [line.split()[1] for line in lines[2:12]].count("▾") == 6


def baselines_of_trials(*baselines: dict[str, float]) -> optuna.Study:
    """Trials with 0.40, 0.31 and so on, each with its own baselines."""
    study = made_up_study(top_100="maximize")
    for number, (value, each) in enumerate(zip((0.40, 0.31, 0.2), baselines, strict=False)):
        result = made_up_result(
            {"top_100": value},
            baselines={name: {"top_100": theirs} for name, theirs in each.items()},
        )
        study.add_trial(made_up_trial(number, values=[value], result=result))
    return study


def test_the_best_of_the_baselines_is_what_a_trial_must_beat(tmp_path):
    own = {"popularity": 0.25, "ease": 0.31, "my.module:mine": 0.1}
    study = baselines_of_trials(own, own, own)
    assert [row["beats_best_baseline"] for row in written(study, tmp_path)] == [
        "True", "False", "False",
    ]  # fmt: skip
    lines = shown(study, 110)
    assert [line.split()[1] for line in lines[2:5]] == ["0", "▾", "▾"]
    assert lines[-1] == "▾ no better than EASE (0.3100)"


def test_the_reference_marks_no_trial(tmp_path):
    study = baselines_of_trials({"popularity": 0.25}, {"popularity": 0.25})
    reference = {"name": "published", "metrics": {"top_100": 0.45}, "runs": []}
    study.set_user_attr(attributes.REFERENCE, reference)
    lines = shown(study, 110)
    assert lines[-1] == "published: top_100 0.4500"
    assert not any("▾" in line for line in lines)
    assert [row["beats_best_baseline"] for row in written(study, tmp_path)] == ["True", "True"]


def test_trials_on_different_rows_have_each_their_own_best_baseline(tmp_path):
    study = baselines_of_trials({"popularity": 0.41}, {"popularity": 0.2, "ease": 0.35}, {})
    assert shown(study, 110)[-1] == "▾ no better than the best baseline on the same rows"
    assert [row["beats_best_baseline"] for row in written(study, tmp_path)] == [
        "False", "False", "",
    ]  # fmt: skip


def test_the_best_epoch_stands_beside_the_metric():
    study = made_up_study(top_100="maximize")
    seeds = [
        {"split_seed": seed, "metrics": {"top_100": 0.3}, "best_epoch": epoch}
        for seed, epoch in ((0, 15), (1, 5), (2, 20))
    ]
    for number, more in enumerate(({}, {"best_epoch": None, "seeds": seeds}, {"best_epoch": None})):
        result = made_up_result({"top_100": 0.3}, **more)
        study.add_trial(made_up_trial(number, values=[0.6 - number / 10], result=result))
    lines = shown(study, 110)
    assert lines[1].split()[2:5] == ["top_100", "best", "epoch"]
    assert [" ".join(line.split()[2:6]) for line in lines[2:5]] == [
        "0.6000 25 0.001 [32]", "0.5000 5 to 20", "0.4000 0.003 [32] 30",
    ]  # fmt: skip


def test_that_all_trials_are_alike_is_said():
    study = made_up_study(top_100="maximize", num_parameters="minimize")
    for number in range(3):
        study.add_trial(made_up_trial(number, values=[1.0, 100.0 + number]))
    text = " ".join(shown(study, 110))
    assert "All 3 complete trials have top_100 1.0000: this objective can't rank them." in text
    study.add_trial(made_up_trial(3, values=[0.9, 90.0]))
    assert "can't rank" not in " ".join(shown(study, 110))


@pytest.mark.parametrize(
    ("metrics", "end"),
    [
        (["top_100"], "this objective can't rank them. They are ordered by number; search"
         " by another metric, such as mrr"),
        (["seen_filtered_ndcg_10"], "; search by another metric, such as seen_filtered_mrr"),
        (["mrr"], "this objective can't rank them. They are ordered by number"),
        (["num_parameters"], "can't rank them. They are ordered by number"),
        # The other objective orders them.
        (["top_1", "num_parameters"], "have top_1 1.0000: this objective can't rank them"),
        (["top_1", "top_5"], "top_1 1.0000 and top_5 1.0000: these objectives can't rank them"),
    ],
)  # fmt: skip
def test_alike_trials_are_advised_what_could_order_them(metrics, end):
    values = [[1.0, number if metrics[-1] == "num_parameters" else 1.0] for number in range(3)]
    objectives = [ObjectiveConfig(metric) for metric in metrics]
    assert ties_text(
        [each[: len(metrics)] for each in values], objectives, APP.finer_metric
    ).endswith(end)


@pytest.mark.parametrize("width", [60, 80, 110])
def test_a_narrow_table_has_taller_headers_and_then_fewer_columns(width):
    lines = shown(many_parameters(), width)
    table = [line for line in lines if " ± " in line]
    assert len(table) == 10
    assert all(line.endswith("8.1") for line in table)
    assert "learning_" in "".join(lines)
    text = " ".join(lines)
    assert ("num_hard_negatives, train.seed; see leaderboard.csv" in text) == (width < 110)
    assert text.count("…") == 1


def test_the_table_says_the_state_of_what_has_no_rank():
    lines = shown(every_state(), 80)
    assert [line.split()[0] for line in lines[2:]] == [
        "1", "2", "infeasible", "pruned", "pruned", "pruned", "running", "failed",
        "interrupted", "waiting",
    ]  # fmt: skip


def test_the_only_trial_shows_all_its_parameters():
    study = made_up_study(loss="minimize")
    study.add_trial(made_up_trial(0, values=[-12.5]))
    lines = shown(study, 80)
    assert lines[1].split()[:5] == ["rank", "trial", "loss", "learning_rate", "layer_sizes"]
    assert lines[2].split()[:4] == ["1", "0", "-12.5000", "0.001"]


def test_names_are_shortened_as_far_as_they_stay_apart():
    assert short_names(["a.x", "b.x", "b.rate", "task.name", "x", "c.d.e"]) == {
        "a.x": "a.x",
        "b.x": "b.x",
        "b.rate": "rate",
        "task.name": "task.name",
        "x": "x",
        "c.d.e": "e",
    }
