"""The report by length of history and by time since training, by hand from made-up ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow
import pytest
from made_up_confirmations import made_up_confirmation
from made_up_studies import made_up_record

from sweeper.common.output_files import atomic_write
from sweeper.report.rendering.page import Figure, Text
from sweeper.report.sections.parts_in_time import lines_shown, parts_in_time
from sweeper.report.sections.segments import segments_section
from sweeper.results.clustered_tests import interval_over_users
from sweeper.results.confirmation import Run, ranks_by_seed
from sweeper.results.confirmation_loading import load_confirmation
from sweeper.results.loading import load_results
from sweeper.results.scored_rows import by_parts
from sweeper.results.study_results import StudyResults
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row
from sweeper.two_tower import record as records
from sweeper.two_tower.evaluation.row_parts import DAY, HISTORY_LENGTH, TIME_SINCE_TRAINING
from sweeper.two_tower.evaluation.rows import as_parquet

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

# Five rows of three users; the model has all but the second, popularity the last two.
MODEL, POPULAR = np.array([3, 100, 99, 5, 6]), np.array([300, 500, 500, 10, 11])
USERS = np.array([0, 1, 1, 2, 0])
RANKS = pyarrow.table(
    {
        "user": USERS,
        "item": np.arange(5),
        "user_rows": np.array([0, 0, 0, 3, 0]),
        "item_rows": np.array([9, 5, 5, 2, 1]),
        "history_length": np.array([0, 0, 1, 30, 2]),
        "seconds_since_training": np.array([5, 6, 7, 8, 9]),
        "model_rank": MODEL,
        "model_seen_filtered_rank": MODEL,
        "popularity_rank": POPULAR,
        "popularity_seen_filtered_rank": POPULAR,
    }
)


def test_parts_have_their_rows_and_intervals_over_users():
    hits = {"a": np.array([1.0, 0.0, 1.0, 1.0, 0.0])}
    none, few, many = by_parts(HISTORY_LENGTH, RANKS, hits)
    assert [part.name for part in (none, few, many)] == ["0", "1_to_5", "over_20"]
    assert [part.rows for part in (none, few, many)] == [2, 2, 1]
    assert none.share == 0.4
    assert none.accuracies == few.accuracies == {"a": 0.5}
    # Student's of two users is wider than accuracies are.
    low, high = interval_over_users([1.0, 0.0], [0, 1])
    assert low < 0 < 1 < high
    assert none.intervals == {"a": (0.0, 1.0)}
    # A single user tells nothing of others.
    assert many.intervals == {"a": None}
    assert by_parts(HISTORY_LENGTH, RANKS.drop_columns(["history_length"]), hits) == []


def section_of_run(place, split: str, ranks: pyarrow.Table):
    overrides = ["evaluation.save_ranks=true", f"data.split={split}"]
    records.write(place, made_up_record([0.4], overrides=overrides))
    atomic_write(place / records.ROWS["validation"], as_parquet(ranks))
    return {
        block.name if isinstance(block, Figure) else getattr(block, "text", ""): block
        for block in segments_section(load_results(place)).blocks
    }


def test_a_run_by_time_has_a_plot_and_its_numbers(tmp_path):
    blocks = section_of_run(tmp_path, "temporal", RANKS)
    figure = blocks["by_history_length"]
    assert figure.numbers.columns == [
        "", "no earlier row of the user (2 rows)", "1 to 5 earlier rows (2 rows)",
        "over 20 earlier rows (1 row)",
    ]  # fmt: skip
    name, none, few, many = figure.numbers.rows[0]
    assert (name, none) == ("the run", "0.5000 (0.0000 to 1.0000)")
    # Both are hits of both users: without any doubt.
    assert (few, many) == ("1.0000 (1.0000 to 1.0000)", "1.0000")
    assert [row[0] for row in figure.numbers.rows] == ["the run", "popularity"]
    model, popular = figure.plot.data
    assert model.y == (0.5, 1.0, 1.0)
    assert model.error_y.array == model.error_y.arrayminus == (0.5, 0.0, 0.0)
    assert popular.y == (0.0, 0.5, 1.0)
    assert "by_time_since_training" not in blocks
    assert "All of the validation rows (5) are up to 1 hour after training." in blocks


@pytest.mark.parametrize(
    ("split", "ranks"),
    [
        ("random", RANKS),
        # Of an earlier version.
        ("temporal", RANKS.drop_columns(["history_length", "seconds_since_training"])),
    ],
)
def test_other_runs_have_none(tmp_path, split, ranks):
    assert not {"by_history_length", "by_time_since_training"} & set(
        section_of_run(tmp_path, split, ranks)
    )


def test_a_confirmation_has_means_over_its_seeds(tmp_path):
    made_up_confirmation(tmp_path)
    confirmation, _ = load_confirmation(tmp_path, 7)
    confirmation.is_split_at_random = False
    for runs in confirmation.own_rows.values():
        for name, run in runs.items():
            aged = run.rows.append_column(
                "seconds_since_training", pyarrow.array([0, 2 * DAY, 2 * DAY, 3 * DAY])
            )
            runs[name] = replace(run, rows=aged)
    rows = [Row(7, "complete", 1, values=[0.9], result={"metrics": {"top_100": 0.9}})]
    results = StudyResults(tmp_path, "s", [ObjectiveConfig()], rows, confirmation=confirmation)
    (figure,) = (
        block
        for block in segments_section(results).blocks
        if isinstance(block, Figure) and block.name == "by_time_since_training"
    )
    assert figure.numbers.columns[1:] == [
        "up to 1 hour after training (1 row)", "1 day to 1 week after (3 rows)",
    ]  # fmt: skip
    by_name = {row[0]: row[1:] for row in figure.numbers.rows}
    assert list(by_name) == ["trial 7", "reference", "popularity"]
    # Of ranks 5, 99 and 100, and with the other seed 5, 99 and 99: five of six.
    low, _ = interval_over_users(np.array([1.0, 1.0, 0.5]), [0, 1, 2])
    assert by_name["trial 7"] == ["1.0000", f"0.8333 ({low:.4f} to 1.0000)"]
    assert by_name["popularity"][1].startswith("0.3333 (")


def test_a_plot_shows_the_first_and_the_best_of_the_others():
    hits = {
        name: np.full(5, value)
        for name, value in (("model", 0.1), ("a", 0.2), ("b", 0.5), ("c", 0.3), ("d", 0.4))
    }
    parts = by_parts(HISTORY_LENGTH, RANKS, hits)
    assert lines_shown(parts) == ["model", "b", "c", "d"]
    figure, _ = parts_in_time(lambda of: by_parts(of, RANKS, hits), "top_100", "the rows")
    assert [trace.name for trace in figure.plot.data] == ["model", "b", "c", "d"]
    assert figure.caption.endswith("The numbers below have 1 more.")
    assert [row[0] for row in figure.numbers.rows] == ["model", "a", "b", "c", "d"]


def test_a_sentence_stands_for_a_single_part():
    hits = {"model": np.ones(5)}
    (text,) = parts_in_time(
        lambda of: by_parts(of, RANKS, hits) if of is TIME_SINCE_TRAINING else [], "top_100", "them"
    )
    assert text == Text("All of them (5) are up to 1 hour after training.")


def test_cuts_of_which_not_all_come_after_training_stand_below_each_other():
    """Rows of `leave_last_out` come after training at one cut, and at another not all do."""
    columns = ["user", "item", "model_rank", "history_length"]
    cuts = [RANKS, RANKS.drop_columns(["seconds_since_training"]).slice(0, 2)]
    runs = {
        (cut, seed): Run("a", cut, seed, made_up_record([0.4]), rows)
        for cut, rows in enumerate(cuts)
        for seed in (42, 43)
    }
    tables = ranks_by_seed(runs)
    assert len(tables) == 2
    for table in tables:
        assert "seconds_since_training" not in table.column_names
        for column in columns:
            values = [value for rows in cuts for value in rows[column].to_pylist()]
            assert table[column].to_pylist() == values
    # In the other order, too, and of one cut alone with the time.
    assert [rows.num_rows for rows in ranks_by_seed(dict(reversed(runs.items())))] == [7, 7]
    (alone,) = ranks_by_seed({(0, 42): runs[0, 42]})
    assert alone.equals(RANKS)
