"""Intervals and comparisons in a leaderboard, from ranks and seeds made up by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pyarrow
import pytest
from made_up_studies import StudyMaker, made_up_record

from sweeper.common.output_files import atomic_write
from sweeper.report.comparison import StudyComparison
from sweeper.report.rendering.page import Table, Text
from sweeper.report.sections.answer import answer_section, answer_text
from sweeper.report.sections.architecture import architecture_section, depth_text
from sweeper.report.sections.head import key_values
from sweeper.report.sections.leaderboard import leaderboard_section
from sweeper.report.sections.segments import segments_section
from sweeper.results.clustered_tests import compare_on_rows
from sweeper.results.loading import load_results
from sweeper.results.significance import Sample, compare_to_best
from sweeper.results.statistics import NOT_DISTINGUISHABLE, compare_pairs, summarize
from sweeper.results.study_results import MAX_COMPARED
from sweeper.study import attributes
from sweeper.two_tower import record as records
from sweeper.two_tower.evaluation.rows import as_parquet
from sweeper.two_tower.record import TrialRecord

RANDOM = np.random.default_rng(5)
USERS = np.sort(RANDOM.integers(0, 40, 400))
GOOD = np.where(RANDOM.random(400) < 0.6, 0, 500)
# As good row by row, but for a few rows each way.
ALIKE_RANKS = np.where(np.arange(400) % 50 == 0, 500 - GOOD, GOOD)
BAD = np.where(RANDOM.random(400) < 0.3, 0, 500)
POPULAR = np.where(RANDOM.random(400) < 0.2, 0, 500)
KEEP = "evaluation.save_ranks=true"


def leave(
    place: Path,
    ranks: np.ndarray,
    *overrides: str,
    users: np.ndarray = USERS,
) -> TrialRecord:
    """A trial's record, and the ranks of its validation rows."""
    record = made_up_record([hits(ranks)], overrides=(KEEP, *overrides))
    table = {
        "user": users,
        "item": np.arange(len(users)),
        "user_rows": np.arange(len(users)) // 20,
        "item_rows": np.full(len(users), 7),
    }
    for name, each in (("model", ranks), ("popularity", POPULAR)):
        table |= {f"{name}_rank": each, f"{name}_seen_filtered_rank": each}
    records.write(place, record)
    content = as_parquet(pyarrow.table(table))
    atomic_write(place / records.ROWS["validation"], content)
    return record


def hits(ranks: np.ndarray) -> float:
    return float((ranks < 100).mean())


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three trials, good, alike and bad, of one, two and three layers; a reference that is bad."""
    maker = StudyMaker(tmp_path / "study")
    for ranks, sizes in ((GOOD, "[8]"), (ALIKE_RANKS, "[8,8]"), (BAD, "[8,8,8]")):
        maker.trial(
            [hits(ranks)],
            write=lambda place, r=ranks, s=sizes: leave(place, r, f"model.layer_sizes={s}"),
        )
    leave(maker.directory / "reference/trials/0000", BAD)
    run = {
        "split_seed": 42,
        "directory": "reference/trials/0000",
        "metrics": {"top_100": hits(BAD)},
    }
    reference = {"name": "published", "metrics": run["metrics"], "runs": [run]}
    maker.study.set_user_attr(attributes.REFERENCE, reference)
    return maker.directory


def test_trials_of_one_training_are_compared_row_by_row(study):
    results = load_results(study)
    assert results.problems == []
    found = results.significance
    assert list(found) == [0, 1, 2, "popularity", "published"]
    assert found[0].compared is None
    verdicts = [each.compared.verdict for each in found.values() if each.compared]
    assert verdicts == [NOT_DISTINGUISHABLE, "worse", "worse", "worse"]
    by_hand = compare_on_rows([GOOD < 100], [BAD < 100], USERS, resamples=0)
    assert found[2].compared.difference == by_hand.difference == hits(GOOD) - hits(BAD)
    assert found[2].compared.p_value == by_hand.p_value < found[2].compared.adjusted_p_value
    # The bad trial and the reference have the same ranks.
    assert found["published"].interval == found[2].interval
    low, high = found[0].interval
    assert low < hits(GOOD) < high


def test_the_leaderboard_says_so_and_lists_the_baselines(study):
    section = leaderboard_section(StudyComparison([load_results(study)]))
    (table,) = section.blocks
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["trial"] for row in rows] == ["0", "1", "2", "popularity", "published"]
    assert [row["beside the best"] for row in rows] == ["–", NOT_DISTINGUISHABLE, *["worse"] * 3]
    assert all(" to " in row["95 % interval"] for row in rows)
    assert rows[-1]["top-100 accuracy"] == f"{hits(BAD):.4f}"
    assert "had other users been asked" in table.note
    assert "The best trial was chosen on these very rows" in table.note
    blocks = answer_section(StudyComparison([load_results(study)])).blocks
    texts = [block.text for block in blocks if isinstance(block, Text)]
    assert any("1 of the next 2 is not distinguishable from it." in text for text in texts)


def test_whether_depth_helped_row_by_row(study):
    text = depth_text(load_results(study))
    assert text.startswith("Did depth help the top-100 accuracy? 2 layers against 1: ")
    first, second = text.split("; ", 1)
    assert first.endswith(f", {NOT_DISTINGUISHABLE}")
    assert second.startswith("3 layers against 2: −")
    assert ", worse (the best trial of each, on the same rows" in second


def test_other_rows_are_not_compared(tmp_path):
    maker = StudyMaker(tmp_path)
    maker.trial([0.5], write=lambda place: leave(place, GOOD))
    maker.trial([0.4], write=lambda place: leave(place, BAD, users=USERS[::-1].copy()))
    found = load_results(tmp_path).significance
    assert found[1].interval
    assert found[1].compared is None


def test_ranks_that_are_missing_or_damaged_are_named(study):
    (study / "trials/0001" / records.ROWS["validation"]).unlink()
    (study / "trials/0002" / records.ROWS["validation"]).write_bytes(b"PAR1 cut")
    results = load_results(study)
    assert len(results.problems) == 2
    missing, damaged = results.problems
    assert "trials/0001/validation_rows.parquet: is missing; left out: the significance" in missing
    assert "trials/0002/validation_rows.parquet: no ranks can be read from it" in damaged
    found = results.significance
    assert (found[1].interval, found[1].compared) == (None, None)
    assert found["published"].compared.verdict == "worse"


def test_a_study_that_goes_by_something_else_has_none(tmp_path):
    maker = StudyMaker(tmp_path, num_parameters="minimize")
    maker.trial([0.5], write=lambda place: leave(place, GOOD))
    assert load_results(tmp_path).significance == {}
    assert depth_text(load_results(tmp_path)) is None


def seed_groups(place: Path, values: Sequence[float], *overrides: str) -> None:
    """A trial of three splits, with a record of each."""
    record = made_up_record([float(np.mean(values))], overrides=overrides)
    record.repeats = [
        {
            "split_seed": seed,
            "directory": f"split_seed_{seed}",
            "metrics": {"validation": {"top_100": value}},
        }
        for seed, value in enumerate(values)
    ]
    records.write(place, record)
    for seed, value in enumerate(values):
        records.write(
            place / f"split_seed_{seed}", made_up_record([value], popularity=0.1 + seed / 100)
        )


def test_trials_of_several_splits_are_compared_split_by_split(tmp_path):
    better, worse = [0.5, 0.52, 0.51], [0.4, 0.43, 0.41]
    maker = StudyMaker(tmp_path)
    maker.trial([0.51], write=lambda place: seed_groups(place, better, "model.layer_sizes=[8]"))
    maker.trial([0.41], write=lambda place: seed_groups(place, worse, "model.layer_sizes=[8,8]"))
    results = load_results(tmp_path)
    found = results.significance
    # 100 validation rows and 700 to train on.
    by_hand = compare_pairs(better, worse, test_to_train=100 / 700)
    assert found[1].compared.p_value == pytest.approx(by_hand.p_value)
    assert found[0].interval == summarize(better, test_to_train=100 / 700).interval
    assert found["popularity"].interval == pytest.approx(
        summarize([0.1, 0.11, 0.12], test_to_train=100 / 700).interval
    )
    (table,) = leaderboard_section(StudyComparison([results])).blocks
    assert "Interval: over the splits." in table.note
    text = depth_text(results)
    assert "2 layers against 1: −0.0967" in text
    assert text.endswith("worse (the best configuration of each, on the same 3 seeds).")


def test_the_sentence_on_depth_the_table_and_the_heat_map_agree(tmp_path):
    """Of complete trials alone, though a pruned one was higher for a while."""
    maker = StudyMaker(tmp_path)
    for values, state, sizes in [
        ([0.50, 0.52, 0.51], "complete", "[8]"),
        ([0.40, 0.43, 0.41], "complete", "[8]"),
        ([0.45, 0.46, 0.41], "complete", "[8,8]"),
        ([0.70, 0.72, 0.71], "pruned", "[8,8]"),
    ]:
        own = [f"model.layer_sizes={sizes}"]
        mean = float(np.mean(values))
        maker.trial([mean], state, write=lambda at, v=values, o=own: seed_groups(at, v, *o))
    sentence, table, heat = told_of_depth(tmp_path)
    assert "2 layers against 1: −0.0700" in sentence
    assert table.columns == ["layers", "width", "complete", "pruned", "best", "median"]
    assert table.rows == [
        ["1", "8", "2", "0", "0.5100", "0.4617"],
        ["2", "8", "1", "1", "0.4400", "0.4400"],
    ]
    assert [float(value) for line in heat.z for value in line] == pytest.approx([0.51, 0.44])
    assert heat.text[1][0] == "<b>0.4400</b><br>1 complete<br>1 pruned"


def test_of_a_grid_over_seeds_they_agree_on_its_means(tmp_path):
    """The best single trial is of the depth whose mean is worse."""
    maker = StudyMaker(tmp_path)
    for depth, tops in {1: [0.40, 0.42, 0.41], 2: [0.30, 0.47, 0.31]}.items():
        for seed, top in enumerate(tops):
            sizes = f"model.layer_sizes={[8] * depth}"
            maker.trial(
                [top],
                params={"model.layer_sizes.depth": depth, "data.split_seed": seed},
                record=made_up_record([top], overrides=[sizes]),
            )
    sentence, table, heat = told_of_depth(tmp_path)
    assert "2 layers against 1: −0.0500" in sentence
    assert table.columns == ["layers", "width", "configurations", "best", "median"]
    assert [row[3] for row in table.rows] == ["0.4100", "0.3600"]
    assert [float(value) for line in heat.z for value in line] == pytest.approx([0.41, 0.36])


def told_of_depth(study: Path) -> tuple[str, Table, go.Heatmap]:
    lead, figure = architecture_section(load_results(study)).blocks
    return lead.text, figure.numbers, figure.plot.data[0]


def test_the_best_of_a_depth_is_compared_however_many_trials_are_better(tmp_path):
    maker = StudyMaker(tmp_path)
    for number in range(MAX_COMPARED + 2):
        ranks, sizes = (BAD, "[8,8]") if number == 0 else (GOOD, "[8]")
        own = f"model.layer_sizes={sizes}"
        maker.trial([hits(ranks)], write=lambda place, r=ranks, o=own: leave(place, r, o))
    results = load_results(tmp_path)
    assert "2 layers against 1: −" in depth_text(results)
    assert sum(isinstance(key, int) for key in results.significance) == MAX_COMPARED


def test_the_head_says_of_a_baseline_what_the_tables_say(tmp_path):
    maker = StudyMaker(tmp_path)
    as_popular = POPULAR[::-1].copy()
    maker.trial([hits(as_popular)], write=lambda place: leave(place, as_popular))
    results = load_results(tmp_path)
    assert results.significance["popularity"].verdict == NOT_DISTINGUISHABLE
    notes = {figure.label: figure.note for figure in key_values(StudyComparison([results]))}
    assert notes["popularity"].startswith(f"{NOT_DISTINGUISHABLE}, ")
    maker.trial([hits(GOOD)], write=lambda place: leave(place, GOOD))
    notes = {
        figure.label: figure.note
        for figure in key_values(StudyComparison([load_results(tmp_path)]))
    }
    assert notes["popularity"].startswith("beaten, +")


def test_two_studies_on_the_same_rows_are_compared(tmp_path, study):
    other = StudyMaker(tmp_path / "other", "other")
    other.trial([hits(ALIKE_RANKS)], write=lambda place: leave(place, ALIKE_RANKS))
    compared = StudyComparison([load_results(study), load_results(other.directory)])
    assert "from which it is not distinguishable" in answer_text(compared)


def test_what_shares_nothing_is_not_compared():
    seeds = Sample({1: 0.5, 2: 0.6})
    assert seeds.against(Sample({3: 0.5, 4: 0.6}), 0.25) is None
    assert seeds.against(Sample(), 0.25) is None
    assert Sample().interval(0.25) is None
    # A single seed says nothing of how far it varies.
    assert Sample({1: 0.5}).interval(0.25) is None


def test_where_less_is_better_the_words_turn():
    seconds = {"a": Sample({1: 2.0, 2: 2.1, 3: 2.0}), "b": Sample({1: 4.0, 2: 4.1, 3: 4.1})}
    assert compare_to_best(seconds, 0.0, is_maximized=False)["b"].texts[1] == "worse"
    assert compare_to_best(seconds, 0.0)["b"].texts[1] == "better"


def test_where_the_best_trial_is_right_without_a_confirmation(study):
    section = segments_section(load_results(study))
    lead, by_item, by_user, warmth = section.blocks
    # All candidates have 7 training rows: one group of all.
    assert lead.text == (
        "Of the validation rows, on the rarest candidates (7 to 7 training rows) trial 0 has "
        f"{hits(GOOD):.4f} top-100 accuracy, on the most popular (7 to 7) {hits(GOOD):.4f}."
    )
    assert by_item.numbers.columns[1:] == ["rows", "trial 0", "popularity", "published"]
    assert by_item.numbers.rows == [
        ["7", "400", *(f"{hits(ranks):.4f}" for ranks in (GOOD, POPULAR, BAD))]
    ]
    # 20 rows each of users with 0 to 19 training rows.
    assert [row[:2] for row in by_user.numbers.rows[:2]] == [["0–1", "40"], ["2–3", "40"]]
    first = np.arange(400) < 40
    assert by_user.numbers.rows[0][2] == f"{hits(GOOD[first]):.4f}"
    # Those of the users with none are cold.
    cold = np.arange(400) < 20
    assert warmth.rows[2] == [
        "cold user", "20", "5.0 %", "top-100 accuracy",
        *(f"{hits(ranks[cold]):.4f}" for ranks in (GOOD, POPULAR, BAD)),
    ]  # fmt: skip
