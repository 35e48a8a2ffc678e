"""Rows whose user has their item already: scored by hand, recorded, printed and reported."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from rich.console import Console
from small_trials import ids_features, small_config

from sweeper.report.__main__ import main as write_report
from sweeper.two_tower import record as records
from sweeper.two_tower.config import (
    ColumnsConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    TrainConfig,
)
from sweeper.two_tower.data.loading import load_interactions
from sweeper.two_tower.data.split import split_interactions
from sweeper.two_tower.evaluation.metrics import NEVER_SHOWN
from sweeper.two_tower.evaluation.ranking import Ranks
from sweeper.two_tower.evaluation.rows import metrics_by_repetition
from sweeper.two_tower.record import TrialRecord
from sweeper.two_tower.trial.result_tables import result_lines, result_table
from sweeper.two_tower.trial.trial import run_trial

# Two repeats, which the user has already, and three new pairs.
RANKS = Ranks(
    np.array([0, 4, 5, 30, 300], np.int32),
    np.array([NEVER_SHOWN, NEVER_SHOWN, 4, 9, 100], np.int32),
)


def test_metrics_of_repeats_and_new_pairs_by_hand():
    found = metrics_by_repetition(RANKS)
    assert {part: metrics["rows"] for part, metrics in found.items()} == {"repeat": 2, "new": 3}
    assert (found["repeat"]["top_1"], found["repeat"]["top_5"]) == (0.5, 1.0)
    assert found["repeat"]["mrr"] == pytest.approx((1 + 1 / 5) / 2)
    assert all(
        value == 0 for name, value in found["repeat"].items() if name.startswith("seen_filtered")
    )
    assert found["new"]["top_50"] == pytest.approx(2 / 3)
    assert found["new"]["seen_filtered_top_10"] == pytest.approx(2 / 3)
    assert found["new"]["seen_filtered_mrr"] == pytest.approx((1 / 5 + 1 / 10 + 1 / 101) / 3)


def test_all_metrics_are_the_parts_by_their_share():
    found, whole = metrics_by_repetition(RANKS), RANKS.metrics()
    for name, value in whole.items():
        assert value == pytest.approx((2 * found["repeat"][name] + 3 * found["new"][name]) / 5)


def test_the_line_below_the_result_table():
    record = TrialRecord(
        {"evaluation": {"metric": "seen_filtered_top_5"}, "data": {"split": "random"}}
    )
    seen = ("seen", "seen-filtered figures leave out what the user has in the training rows")
    record.by_repetition["test"] = metrics_by_repetition(RANKS)
    assert list(result_lines(record, "test")) == [
        seen,
        (
            "repeats",
            "2 of 5 test rows (40.0 %) have an item that their user has in a training row: misses "
            "when seen-filtered; top-5 1.0000 on these, 0.0000 on new pairs (seen-filtered: "
            "0.3333)",
        ),
    ]
    record.by_repetition["test"] = metrics_by_repetition(RANKS.only(np.array([2, 3])))
    assert list(result_lines(record, "test")) == [
        seen,
        ("repeats", "no test row has an item that its user has in a training row"),
    ]
    record.by_repetition["test"] = metrics_by_repetition(RANKS.only(np.array([0])))
    (_, (_, text)) = result_lines(record, "test")
    assert text.endswith("(100.0 %) have an item that their user has in a training row: misses "
                         "when seen-filtered; top-5 1.0000 on these")  # fmt: skip
    # An earlier version's record has none.
    record.by_repetition.clear()
    assert list(result_lines(record, "test")) == [seen]
    record.config["data"]["split"], record.config["evaluation"]["seen"] = "temporal", "auto"
    assert list(result_lines(record, "test")) == [
        ("seen", "seen-filtered figures leave out what the user had before the row")
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Config, Path, TrialRecord, str]:
    """A trial on a table of purchases, most of them repeated, and what it has printed."""
    place = tmp_path_factory.mktemp("purchases")
    rng = np.random.default_rng(5)
    users, items = rng.integers(0, 8, 500), np.minimum(rng.geometric(0.15, 500), 30)
    lines = [f"u{user},p{item}" for user, item in zip(users, items, strict=True)]
    # One user has everything: an export has nothing to show to it.
    lines += [f"all,p{item}" for item in range(1, 31)] * 3
    (place / "purchases.csv").write_text("\n".join(["user_id,item_id", *lines]) + "\n")
    config = small_config(
        data=DataConfig(
            name="table",
            path=str(place / "purchases.csv"),
            columns=ColumnsConfig(item="item_id", timestamp=None),
        ),
        features=ids_features(dim=4, item="item_id"),
        train=TrainConfig(2, 128, 1, xla=False),
        evaluation=EvaluationConfig(baselines=["ease"], metric="seen_filtered_top_10"),
    )
    printed = io.StringIO()
    record = run_trial(config, place / "run", console=Console(file=printed, width=250), draw=False)
    return config, place / "run", record, printed.getvalue()


def test_a_trial_counts_repeats_as_misses_for_all_scorers(trained):
    config, directory, record, printed = trained
    interactions = load_interactions(config.data)
    split = split_interactions(config.data, interactions)
    has = set(zip(interactions.users[split.train], interactions.items[split.train], strict=True))
    asked = zip(interactions.users[split.test], interactions.items[split.test], strict=True)
    is_repeat = np.array([pair in has for pair in asked])
    number, new = int(is_repeat.sum()), int((~is_repeat).sum())
    assert min(number, new) > 10
    parts = record.by_repetition["test"]
    assert (parts["repeat"]["rows"], parts["new"]["rows"]) == (number, new)
    kept = pyarrow.parquet.read_table(directory / records.ROWS["test"])
    assert kept["is_repeat"].to_pylist() == is_repeat.tolist()
    for scorer in ("model", "popularity", "ease"):
        ranks = np.asarray(kept[f"{scorer}_seen_filtered_rank"])
        assert (ranks == NEVER_SHOWN).tolist() == is_repeat.tolist()
        scored = record.metrics if scorer == "model" else record.baselines[scorer]
        # Each of 30 candidates is among the first 50, if it is shown at all.
        assert scored["test"]["seen_filtered_top_50"] == pytest.approx(new / len(is_repeat))
        assert scored["test"]["top_50"] == 1.0
    assert f"repeats  {number} of {number + new} test rows" in printed
    assert records.read(directory) == record


def test_a_report_tells_repeats_from_new_pairs(trained):
    _, directory, record, _ = trained
    write_report([str(directory)])
    text = (directory / "report.md").read_text()
    # It leads with the metric that the run went by.
    value = record.metrics["validation"]["seen_filtered_top_10"]
    assert f"This run has **seen-filtered top-10 accuracy {value:.4f} on " in text
    assert "How good is this configuration, by seen-filtered top-10 accuracy" in text
    table = text[text.index("**Repeats and new pairs of the validation rows**") :].splitlines()
    parts = record.by_repetition["validation"]
    assert table[2] == (
        "| user and candidate | rows | share | accuracy | the run | popularity | EASE |"
    )
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table[4:8]]
    assert [row[0] for row in cells[::2]] == [
        "repeat: the user has the candidate already", "new pair",
    ]  # fmt: skip
    for row, part in zip(cells[::2], ("repeat", "new"), strict=True):
        assert row[1] == f"{parts[part]['rows']:.0f}"
        assert row[4] == f"{parts[part]['top_10']:.4f}"
    for row, part in zip(cells[1::2], ("repeat", "new"), strict=True):
        assert row[4] == f"{parts[part]['seen_filtered_top_10']:.4f}"


def test_the_result_table_fits_its_width(trained):
    record = trained[2]
    shown = io.StringIO()
    Console(file=shown, width=110).print(result_table(record, "test"))
    lines = shown.getvalue().splitlines()
    assert lines[1].split()[-3:] == ["top-100", "NDCG@10", "MRR"]
    assert len(lines) == 2 + 2 * 3
    own = record.metrics["test"]
    assert lines[2].split()[-2:] == [f"{own['ndcg_10']:.4f}", f"{own['mrr']:.4f}"]
    assert lines[5].split()[-2:] == [
        f"{own['seen_filtered_ndcg_10']:.4f}", f"{own['seen_filtered_mrr']:.4f}",
    ]  # fmt: skip
