"""The report's table of warm and cold rows, by hand from made-up ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow
import pytest
from made_up_confirmations import made_up_confirmation
from made_up_studies import made_up_record

from sweeper.common.output_files import atomic_write
from sweeper.report.__main__ import main
from sweeper.report.rendering.page import Table, Text
from sweeper.report.sections.segments import segments_section
from sweeper.results.confirmation_loading import load_confirmation
from sweeper.results.study_results import StudyResults
from sweeper.study.config import ObjectiveConfig
from sweeper.study.outputs.leaderboard import Row
from sweeper.two_tower import record as records
from sweeper.two_tower.evaluation.rows import as_parquet

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def kept_ranks(user_rows: list[int], item_rows: list[int]) -> pyarrow.Table:
    """The model has the first two rows unfiltered, and the first three seen-filtered."""
    return pyarrow.table(
        {
            "user": np.arange(4),
            "item": np.arange(4),
            "user_rows": np.array(user_rows),
            "item_rows": np.array(item_rows),
            "model_rank": np.array([3, 99, 100, 300]),
            "model_seen_filtered_rank": np.array([3, 90, 99, 200]),
            "popularity_rank": np.array([0, 500, 500, 10]),
            "popularity_seen_filtered_rank": np.array([0, 500, 500, 10]),
        }
    )


def write_run(directory, ranks: pyarrow.Table) -> None:
    records.write(directory, made_up_record([0.4], overrides=["evaluation.save_ranks=true"]))
    atomic_write(directory / records.ROWS["validation"], as_parquet(ranks))


def test_a_run_has_the_table_in_both_reports(tmp_path, capsys):
    # Row 0 is warm; 1 and 2 are of cold users, 2 and 3 of cold candidates.
    write_run(tmp_path, kept_ranks([9, 0, 0, 5], [9, 5, 0, 0]))
    main([str(tmp_path)])
    text = (tmp_path / "report.md").read_text()
    table = text[text.index("**Warm and cold rows of the validation rows**") :].splitlines()
    assert table[2:10] == [
        "| user and candidate | rows | share | accuracy | the run | popularity |",
        "| --- | ---: | ---: | --- | ---: | ---: |",
        "| warm user and candidate | 1 | 25.0 % | top-100 accuracy | 1.0000 | 1.0000 |",
        "|  |  |  | seen-filtered top-100 accuracy | 1.0000 | 1.0000 |",
        "| cold user | 2 | 50.0 % | top-100 accuracy | 0.5000 | 0.0000 |",
        "|  |  |  | seen-filtered top-100 accuracy | 1.0000 | 0.0000 |",
        "| cold candidate | 2 | 50.0 % | top-100 accuracy | 0.0000 | 0.5000 |",
        "|  |  |  | seen-filtered top-100 accuracy | 0.5000 | 0.5000 |",
    ]
    assert table[11].endswith("A row of both counts in both parts.*")
    assert "Warm and cold rows of the validation rows" in (tmp_path / "report.html").read_text()
    # Ranks of an earlier version don't tell which rows are repeats: nothing is said of them.
    assert "epeats" not in text


def test_where_no_row_is_cold_a_sentence_says_so(tmp_path):
    write_run(tmp_path, kept_ranks([1, 2, 3, 4], [4, 3, 2, 1]))
    main([str(tmp_path)])
    text = (tmp_path / "report.md").read_text()
    assert "None of the validation rows (4) is cold" in text
    assert "Warm and cold" not in text


def test_a_confirmation_has_means_over_its_seeds(tmp_path):
    made_up_confirmation(tmp_path)
    confirmation, _ = load_confirmation(tmp_path, 7)
    assert confirmation is not None

    def section():
        rows = [Row(7, "complete", 1, values=[0.9], result={"metrics": {"top_100": 0.9}})]
        results = StudyResults(tmp_path, "s", [ObjectiveConfig()], rows, confirmation=confirmation)
        return segments_section(results).blocks

    (text,) = (each.text for each in section() if isinstance(each, Text) and "cold" in each.text)
    assert text.startswith("None of the study's own test rows (4) is cold")
    # The last row's user becomes a cold one: hit by the winner with one of two seeds.
    for runs in confirmation.own_rows.values():
        for name, run in runs.items():
            at = run.rows.column_names.index("user_rows")
            cold = run.rows.set_column(at, "user_rows", pyarrow.array([9, 9, 20, 0]))
            runs[name] = replace(run, rows=cold)
    (table,) = (each for each in section() if isinstance(each, Table) and "Warm" in each.title)
    assert table.columns == [
        "user and candidate", "rows", "share", "accuracy", "trial 7", "reference", "popularity",
    ]  # fmt: skip
    by_line = {(row[0], row[3]): row for row in table.rows}
    assert by_line["cold user", "top-100 accuracy"] == [
        "cold user", "1", "25.0 %", "top-100 accuracy", "0.5000", "1.0000", "0.0000",
    ]  # fmt: skip
    # Of the winner's warm ranks 0, 5 and 99 all hit; of the reference's 0, 200 and 300 one, and
    # of 100, 200 and 300 none.
    assert by_line["warm user and candidate", "top-100 accuracy"][4:] == [
        "1.0000", "0.1667", "0.6667",
    ]  # fmt: skip
